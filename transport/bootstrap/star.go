package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/monel-dev/monel/transport"
)

// starTime bounds how long the control links may take once every rank has the
// table.
const starTime = 30 * time.Second

// settingUp is what ranks do until the links stand.
const settingUp = "bootstrap"

// checkTime is how often the coordinator looks whether ranks that it waits for live.
const checkTime = 250 * time.Millisecond

// star sets up the control links and waits until all stand. On rank 0, stands is
// called when they do and before any other rank is told so.
func (cfg *Config) star(ctx context.Context, s *Session, deadline time.Time, stands func()) (*Control, error) {
	if d := time.Now().Add(starTime); d.Before(deadline) {
		deadline = d
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if cfg.Rank == 0 {
		return cfg.gatherStar(ctx, s, stands)
	}
	conn, err := s.DialFor(ctx, PurposeControl, 0, 0)
	if err != nil {
		if ended := ctx.Err(); ended != nil {
			rank := cfg.Rank // it has given up
			if errors.Is(ended, context.DeadlineExceeded) {
				rank = 0 // it has not answered
			}
			err = &transport.RankError{Rank: rank, Doing: settingUp, Err: cfg.setupError(ctx, err)}
		}
		return nil, err
	}
	c, err := NewMember(cfg.Control, cfg.Rank, cfg.Size, conn)
	if err != nil {
		return nil, err
	}
	if cfg.Handler != nil {
		c.Handle(cfg.Handler)
	}
	return cfg.whenReady(ctx, c)
}

// gatherStar is rank 0's side.
func (cfg *Config) gatherStar(ctx context.Context, s *Session, stands func()) (*Control, error) {
	overslept := ctx.Err() != nil // this process stood still before it came to this
	c, err := newControl(0, cfg.Size, cfg.Control)
	if err != nil {
		return nil, err
	}
	if cfg.Handler != nil {
		c.Handle(cfg.Handler)
	}
	var wg sync.WaitGroup
	waitCtx, stop := context.WithCancel(ctx)
	defer stop()
	for r := 1; r < cfg.Size; r++ {
		wg.Go(func() {
			if conn, err := s.AcceptFor(waitCtx, PurposeControl, r, 0); err == nil {
				c.attach(r, conn)
			}
		})
	}
	stood := make(chan struct{})
	go func() {
		wg.Wait()
		close(stood)
	}()
	check := time.NewTicker(checkTime)
	defer check.Stop()
	for waiting := true; waiting; {
		select {
		case <-stood:
			waiting = false
		case <-c.Done(): // a rank that had come was lost
			c.tellLate(waitCtx)
			waiting = false
		case <-check.C:
			cfg.checkAbsent(ctx, s, c)
		}
	}
	stop()
	<-stood
	if absent := c.absent(); len(absent) > 0 && c.Err() == nil {
		e := &transport.RankError{Rank: absent[0], Doing: settingUp, Err: fmt.Errorf("%w: it did not open its control link to rank 0 at %v in time; check that its host reaches that address", transport.ErrTimeout, s.Addr())}
		if overslept || errors.Is(ctx.Err(), context.Canceled) {
			e = &transport.RankError{Rank: 0, Doing: settingUp, Err: cfg.setupError(ctx, nil)}
		}
		c.Fail(e)
	}
	if c.Err() == nil {
		stands()
		c.begin()
	}
	return cfg.whenReady(ctx, c)
}

// stayTime is how long the coordinator stays for ranks that are about to connect when
// another one is lost.
const stayTime = 300 * time.Millisecond

// tellLate waits until all ranks but the lost one have their control link, and with it the
// verdict, for stayTime at most. They would take the coordinator itself for lost
// otherwise.
func (c *Control) tellLate(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stayTime)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		absent := c.absent()
		if len(absent) == 0 || len(absent) == 1 && absent[0] == c.Err().Rank {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// absent lists the ranks that have no control link yet.
func (c *Control) absent() (ranks []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := 1; r < c.size; r++ {
		if c.links[r] == nil {
			ranks = append(ranks, r)
		}
	}
	return ranks
}

// checkAbsent looks whether a rank that has not opened its control link still
// listens: one that died after it got the table need not be waited for.
func (cfg *Config) checkAbsent(ctx context.Context, s *Session, c *Control) {
	d := net.Dialer{Timeout: 200 * time.Millisecond}
	for i, r := range c.absent() {
		if i == 4 {
			return // the others' turn comes
		}
		conn, err := d.DialContext(ctx, "tcp", s.table.Peers[r].Addr.String())
		if err == nil {
			conn.Close()
			continue
		}
		if isRefused(err) {
			c.Fail(&transport.RankError{Rank: r, Doing: settingUp, Err: fmt.Errorf("%w: its process ended before all ranks were connected", transport.ErrPeerLost)})
		}
	}
}

// setupError is the reason why ctx ended the setup of the control links.
func (cfg *Config) setupError(ctx context.Context, last error) error {
	why := transport.ErrAborted
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		why = transport.ErrTimeout
	}
	if last == nil {
		last = context.Cause(ctx)
	}
	return fmt.Errorf("%w: the control links of all ranks do not stand: %w", why, last)
}

// sayTime is how much longer than its own time a member waits for the coordinator, which
// knows better who was missing.
const sayTime = 300 * time.Millisecond

// othersSay reports whether the coordinator says in time why the links do not stand.
func (c *Control) othersSay() bool {
	timer := time.NewTimer(sayTime)
	defer timer.Stop()
	select {
	case <-c.ready:
		return true
	case <-c.done:
		return true
	case <-timer.C:
		return false
	}
}

// whenReady returns c once all control links stand; it closes c when they do not.
func (cfg *Config) whenReady(ctx context.Context, c *Control) (*Control, error) {
	select {
	case <-c.ready:
		return c, nil
	case <-c.done:
	case <-ctx.Done():
		over := time.Now() // also for the coordinator
		if errors.Is(ctx.Err(), context.DeadlineExceeded) && c.othersSay() {
			break
		}
		c.fail(&transport.RankError{Rank: c.rank, Doing: settingUp, Err: cfg.setupError(ctx, nil)}, over)
		<-c.done
	}
	select {
	case <-c.ready: // both: they stood, and something has failed since
		return c, nil
	default:
	}
	err := c.Err()
	c.Close()
	return nil, err
}
