package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/monel-dev/monel/transport"
)

// joining is one rank's way to the root.
type joining struct {
	self        Peer
	size        int
	fingerprint string
	roots       func(context.Context) ([]netip.AddrPort, error)
	where       string // the root's address as the user gave it
	atRank0     bool   // rank 0 is the root
	key         []byte
	version     uint16
	patience    time.Duration
	strange     time.Duration // strangeRootTime, except in tests
	instance    uint64
	log         *slog.Logger
	anywhere    bool // set by listen
	table       *Table

	// listen is called once, with the local address of the first connection to
	// the root, and returns where this rank's own listener is reached.
	listen func(local netip.Addr) (addr netip.AddrPort, anywhere bool, err error)
}

// How long a rank insists when something that is not the root of its job, or a
// host name that nobody knows, is where the root should be: a previous job may
// be about to end, or a name about to appear.
const (
	strangeRootTime = 3 * time.Second
	unknownNameTime = 10 * time.Second
)

// firstPause is how long a rank waits before its second attempt; the next ones are ever
// longer.
const firstPause = 4 * time.Millisecond

// join asks the root until it answers, and returns the table or the reason why
// there is none.
func (j *joining) join(ctx context.Context) (*Table, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, j.patience)
	defer cancel()
	var strange time.Time // since when the root's address is held by others
	pause := firstPause
	listening := false
	said := 4 * time.Second // when the log is next told
	var last, telling error
	for {
		err := func() error {
			conn, err := j.reach(ctx)
			if err != nil {
				return err
			}
			defer conn.Close()
			if !listening {
				addr, anywhere, err := j.listen(addrPort(conn.LocalAddr()).Addr())
				if err != nil {
					return &fatal{err}
				}
				j.self.Addr, listening = addr, true
				j.anywhere = anywhere
			}
			strange = time.Time{}
			gathered := time.Now()
			table, err := j.attend(ctx, conn, j.patience-time.Since(began))
			if err != nil {
				if time.Since(gathered) > time.Second {
					pause = firstPause // the root may call a rank lost that is not back soon
				}
				return err
			}
			j.table = table
			return nil
		}()
		if err == nil {
			return j.table, nil
		}
		if ended(ctx) == nil || last == nil {
			last = err // what is cut short by the deadline tells nothing
		}
		if telling == nil || !tellsMore(telling, err) {
			telling = err
		}
		var world *WorldError
		var stop *fatal
		switch {
		case errors.As(err, &world):
			return nil, world
		case errors.As(err, &stop):
			return nil, stop.error
		case errors.Is(err, transport.ErrVersion):
			return nil, j.errorf(err)
		case errors.Is(err, transport.ErrUnauthenticated), errors.Is(err, errNotMonel), errors.Is(err, errHandshakeEnded), errors.Is(err, ErrAddress):
			limit := j.strange
			if errors.Is(err, ErrAddress) {
				limit = unknownNameTime
			}
			if strange.IsZero() {
				strange = time.Now()
			} else if time.Since(strange) > limit && !errors.Is(err, errHandshakeEnded) {
				return nil, j.errorf(err)
			}
		default:
			strange = time.Time{}
		}
		if waited := time.Since(began); waited > said {
			said = waited + 30*time.Second
			j.log.Info("still trying to reach the root", "rank", j.self.Rank, "root", j.where, "after", waited.Round(time.Second), "reason", err.Error())
		}
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, j.gaveUp(ctx, began, last, telling)
		case <-timer.C:
		}
		pause = min(2*pause, 500*time.Millisecond)
	}
}

// fatal is an error that trying again does not cure.
type fatal struct{ error }

func (f *fatal) Unwrap() error { return f.error }

// errorf names rank 0 if that is the root and does not answer, else this rank.
func (j *joining) errorf(err error) error {
	if j.atRank0 && j.self.Rank != 0 && errors.Is(err, transport.ErrTimeout) &&
		!errors.Is(err, transport.ErrUnauthenticated) && !errors.Is(err, ErrAddress) {
		return &transport.RankError{Rank: 0, Doing: "joining the root at " + j.where, Err: err}
	}
	return &transport.RankError{Rank: j.self.Rank, Doing: "joining the root at " + j.where, Err: err}
}

// gaveUp is the error after the last attempt. If an earlier one told more, as a
// root that refused the secret does and one that has since given up itself does
// not, it is part of the error.
func (j *joining) gaveUp(ctx context.Context, began time.Time, last, telling error) error {
	if tellsMore(telling, last) {
		last = fmt.Errorf("%w; before that: %w", last, telling)
	}
	waited := time.Since(began).Round(time.Millisecond)
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return j.errorf(fmt.Errorf("%w: after %v: %w; check that the root's process runs, and that this host reaches its address", transport.ErrTimeout, waited, last))
	}
	return j.errorf(fmt.Errorf("%w: given up after %v: %w", transport.ErrAborted, waited, context.Cause(ctx)))
}

// reach connects to one of the root's addresses and completes the handshake.
func (j *joining) reach(ctx context.Context) (net.Conn, error) {
	roots, err := j.roots(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan tried, len(roots))
	in := intro{version: j.version, purpose: PurposeRendezvous, from: j.self.Rank, to: rootRank}
	// One after the other, but without waiting long for any: addresses of
	// networks that this host is not part of often do not answer at all.
	next := time.NewTicker(headStart)
	defer next.Stop()
	var best error
	for begun, over := 0, 0; over < len(roots); {
		if begun < len(roots) && begun == over {
			next.Reset(headStart)
			begun++
			go j.try(ctx, roots[begun-1], in, results)
		}
		select {
		case <-next.C:
			if begun < len(roots) {
				begun++
				go j.try(ctx, roots[begun-1], in, results)
			}
			continue
		case res := <-results:
			over++
			if res.err == nil {
				cancel()
				go func() { // the slower ones are not needed
					for range begun - over {
						if r := <-results; r.conn != nil {
							r.conn.Close()
						}
					}
				}()
				return res.conn, nil
			}
			if best == nil || tellsMore(res.err, best) {
				best = res.err
			}
		}
	}
	return nil, best
}

// headStart is how long one of the root's addresses is tried alone.
const headStart = 250 * time.Millisecond

type tried struct {
	conn net.Conn
	err  error
}

func (j *joining) try(ctx context.Context, root netip.AddrPort, in intro, results chan<- tried) {
	conn, err := dialAuthenticated(ctx, root, j.key, in, strangerTime)
	results <- tried{conn, err}
}

// tellsMore reports whether a, from one of the root's addresses, says more than
// b, from another: an answer says more than silence.
func tellsMore(a, b error) bool {
	weight := func(err error) int {
		switch {
		case errors.Is(err, transport.ErrVersion):
			return 3
		case errors.Is(err, transport.ErrUnauthenticated):
			return 2
		case errors.Is(err, errNotMonel), errors.Is(err, errHandshakeEnded):
			return 1
		}
		return 0
	}
	return weight(a) > weight(b)
}

// attend sends the greeting and waits for what the root says.
func (j *joining) attend(ctx context.Context, conn net.Conn, left time.Duration) (*Table, error) {
	unhook := context.AfterFunc(ctx, func() { conn.SetDeadline(past) })
	defer unhook()
	// The root gives up a little before this rank does, so that its verdict,
	// which names the missing, arrives in time.
	margin := min(left/10, 500*time.Millisecond)
	g := greeting{peer: j.self, size: j.size, instance: j.instance, patience: max(left-margin, time.Millisecond),
		anywhere: j.anywhere, fingerprint: j.fingerprint}
	if _, err := conn.Write(appendFrame(nil, frameHello, g.encode())); err != nil {
		return nil, j.broken(ctx, err)
	}
	for {
		t, b, err := readFrame(conn, max(maxTable(j.size), maxText+1024))
		if err != nil {
			return nil, j.broken(ctx, err)
		}
		switch t {
		case framePing:
			if _, err := conn.Write(appendFrame(nil, framePong, nil)); err != nil {
				return nil, j.broken(ctx, err)
			}
		case frameTable:
			table, err := decodeTable(b, j.size)
			if err != nil {
				return nil, &fatal{j.errorf(err)}
			}
			conn.Write(appendFrame(nil, frameAck, nil))
			return table, nil
		case frameRefusal:
			e, err := decodeWorldError(b)
			if err != nil {
				return nil, &fatal{j.errorf(err)}
			}
			conn.Write(appendFrame(nil, frameAck, nil))
			return nil, e
		default:
			return nil, &fatal{j.errorf(fmt.Errorf("%w: frame of type %d from the root", transport.ErrProtocol, t))}
		}
	}
}

func (j *joining) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("the root answered, but not all ranks came")
	}
	return fmt.Errorf("%w: the root's process ended or became unreachable (%v)", transport.ErrPeerLost, err)
}
