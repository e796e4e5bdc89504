package engine_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/internal/faulty"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/inproc"
)

// cutOff is how a rank is cut off from all others at the same moment.
type cutOff struct {
	victim  int
	in, out bool
	// tail is for how long what the victim says is still heard where only what is said to
	// it is lost: TCP sends some more before it waits for acknowledgements.
	tail time.Duration
}

// loses reports whether what is said so long after the cut is lost.
func (c *cutOff) loses(from, to int, after time.Duration) bool {
	switch {
	case after < 0:
		return false
	case to == c.victim && from == c.victim:
		return false
	case to == c.victim:
		return c.in || after >= c.tail
	case from == c.victim:
		return c.out || after >= c.tail
	}
	return false
}

// relay passes on what comes from src, but for what is lost.
func relay(dst, src net.Conn, lost func() bool) {
	b := make([]byte, 1<<16)
	for {
		n, err := src.Read(b)
		if err != nil {
			dst.Close()
			return
		}
		if !lost() {
			_, _ = dst.Write(b[:n])
		}
	}
}

// world makes a communicator from which a rank is cut off after a while.
func (c *cutOff) world(t *testing.T, size int, cfg engine.Config, after time.Duration) (comms []*engine.Comm) {
	began := time.Now()
	lost := func(from, to int) func() bool {
		return func() bool { return c.loses(from, to, time.Since(began)-after) }
	}
	ends, members := make([]net.Conn, size), make([]net.Conn, size)
	for r := 1; r < size; r++ {
		var x, y net.Conn
		ends[r], x = net.Pipe()
		members[r], y = net.Pipe()
		go relay(y, x, lost(0, r))
		go relay(x, y, lost(r, 0))
	}
	plan := &faulty.Plan{}
	for r := range size {
		// As nobody calls anything before the cut, the first chunk is lost.
		if c.in {
			plan.Faults = append(plan.Faults, faulty.Fault{Kind: faulty.Stall, From: r, To: c.victim})
		}
		if c.out {
			plan.Faults = append(plan.Faults, faulty.Fault{Kind: faulty.Stall, From: c.victim, To: r})
		}
	}
	meshes := make([]transport.Mesh, size)
	for r, m := range inproc.NewWorld(size, inproc.Options{SlotSize: 1 << 16, Slots: 4}) {
		meshes[r] = faulty.Wrap(m, r, plan)
	}
	comms, err := engine.Controlled(cfg, meshes, ends, members)
	require.NoError(t, err)
	return comms
}

// TestCutOff: a rank is cut off, in one direction or in both, while all are in a collective
// or send each other messages. All others name it, in time. Time is simulated.
func TestCutOff(t *testing.T) {
	allReduce := func(c *engine.Comm) error {
		x := strided.Of(make([]float32, 100))
		return c.AllReduce(background, x, x, engine.Sum)
	}
	exchange := func(c *engine.Comm) error {
		x, y := strided.Of(make([]float32, 100)), strided.Of(make([]float32, 100))
		return c.Group(background, func(g *engine.Group) error {
			if err := g.Send(x, (c.Rank()+1)%c.Size()); err != nil {
				return err
			}
			return g.Recv(y, (c.Rank()+c.Size()-1)%c.Size())
		})
	}
	const limit, bound = 2 * time.Second, 3 * time.Second
	try := func(t *testing.T, size int, c cutOff, byTimeout bool, call func(*engine.Comm) error) {
		synctest.Test(t, func(t *testing.T) {
			after := 3*time.Second + 620*time.Millisecond // the next heartbeats are 380 ms and 1380 ms later
			cfg := engine.Config{ChunkBytes: 4096, Timeout: time.Minute, LostAfter: limit, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
			if byTimeout {
				cfg.Timeout, cfg.LostAfter = limit, 10*time.Second
			}
			comms := c.world(t, size, cfg, after)
			time.Sleep(after)
			type end struct {
				rank int
				err  error
				took time.Duration
			}
			ended := make(chan end)
			cut := time.Now()
			for _, comm := range comms {
				go func() {
					var err error
					for calls := 0; err == nil && calls < 10; calls++ { // those first have what they need
						err = call(comm)
					}
					ended <- end{comm.Rank(), err, time.Since(cut)}
				}()
			}
			var ends []end
			for range comms {
				ends = append(ends, <-ended)
			}
			for _, comm := range comms {
				go func() { _ = comm.Abort(); ended <- end{} }()
			}
			for range comms {
				<-ended
			}
			for _, e := range ends {
				if e.rank == c.victim {
					continue // it may have all it needs
				}
				var re *engine.RankError
				require.ErrorAs(t, e.err, &re, "rank %d", e.rank)
				require.Equal(t, c.victim, re.Rank, "rank %d: %v", e.rank, e.err)
				require.LessOrEqual(t, e.took, bound, "rank %d: %v", e.rank, e.err)
			}
		})
	}
	for _, size := range []int{2, 3, 4} {
		for _, victim := range []int{0, 1} {
			for _, byTimeout := range []bool{false, true} {
				for name, call := range map[string]func(*engine.Comm) error{"all_reduce": allReduce, "messages": exchange} {
					of := fmt.Sprintf("victim %d of %d/timeout=%v/%s/", victim, size, byTimeout, name)
					t.Run(of+"both", func(t *testing.T) {
						try(t, size, cutOff{victim: victim, in: true, out: true}, byTimeout, call)
					})
					t.Run(of+"out", func(t *testing.T) {
						try(t, size, cutOff{victim: victim, out: true}, byTimeout, call)
					})
					for tail := time.Duration(0); tail <= 1400*time.Millisecond; tail += 100 * time.Millisecond {
						if !byTimeout && tail > 700*time.Millisecond {
							break // heartbeats are so frequent that TCP finds out earlier
						}
						t.Run(fmt.Sprintf("%sin, heard for %v", of, tail), func(t *testing.T) {
							try(t, size, cutOff{victim: victim, in: true, tail: tail}, byTimeout, call)
						})
					}
				}
			}
		}
	}
}

// small is a call that all ranks make alike.
func small(c *engine.Comm) error {
	x := strided.Of(make([]float32, 4))
	return c.AllReduce(background, x, x, engine.Sum)
}

// TestWakesUp: a rank that slept while a verdict was due waits for it, and blames nobody
// for the time in which it did not listen itself.
func TestWakesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cut := cutOff{victim: 2, in: true, out: true}
		comms := cut.world(t, 3, engine.Config{Timeout: 2 * time.Second, Logger: slog.New(slog.DiscardHandler)}, time.Second)
		time.Sleep(time.Second)
		errs := make(chan error, 3)
		for _, c := range comms[:2] {
			go func() { errs <- small(c) }()
		}
		time.Sleep(2100 * time.Millisecond) // it has asked, and others have not answered yet
		synctest.Wait()
		engine.Oversleep(comms[1])
		for range 2 {
			var re *engine.RankError
			err := <-errs
			require.ErrorAs(t, err, &re)
			require.Equal(t, 2, re.Rank, "%v", err)
		}
		for _, c := range comms {
			go func() { errs <- c.Abort() }()
		}
		for range 3 {
			<-errs
		}
	})
}

// TestCutOffAndStillHeard: rank 0 does not hear the others any more, and what it says to
// some call makes that end well, when it was late already. The next call need not take all
// its time until rank 0 is known to be cut off.
func TestCutOffAndStillHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, bound = 2 * time.Second, 3 * time.Second
		cut := cutOff{victim: 0, in: true, tail: time.Second}
		comms := cut.world(t, 3, engine.Config{Timeout: limit, Logger: slog.New(slog.DiscardHandler)}, time.Second)
		time.Sleep(time.Second)
		began := time.Now()
		type end struct {
			rank int
			err  error
			took time.Duration
		}
		ended := make(chan end)
		for _, c := range comms {
			go func() {
				x := strided.Of(make([]float32, 4))
				if c.Rank() == 0 {
					time.Sleep(limit + 300*time.Millisecond)
				}
				first := c.Broadcast(background, x, x, 0)
				err := small(c)
				if first != nil {
					err = first
				}
				ended <- end{c.Rank(), err, time.Since(began)}
			}()
		}
		var ends []end
		for range comms {
			ends = append(ends, <-ended)
		}
		for _, c := range comms {
			go func() { _ = c.Abort(); ended <- end{} }()
		}
		for range comms {
			<-ended
		}
		for _, e := range ends {
			if e.rank == 0 {
				continue
			}
			var re *engine.RankError
			require.ErrorAs(t, e.err, &re)
			require.Zero(t, re.Rank, "%v", e.err)
			require.LessOrEqual(t, e.took, bound, "rank %d: %v", e.rank, e.err)
			require.ErrorContains(t, e.err, "all_reduce", "the broadcast has what it needs")
		}
	})
}

// TestOversleepsSplit: a rank that was asleep when its time to make a communicator was up
// hears what the others make of that before it says who did not come.
func TestOversleepsSplit(t *testing.T) {
	for _, asleep := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			comms := (&cutOff{victim: -1}).world(t, 3, engine.Config{Logger: slog.New(slog.DiscardHandler)}, time.Hour)
			up := time.Now()
			if asleep {
				time.Sleep(time.Second)
			}
			ctx, cancel := context.WithDeadline(background, up)
			defer cancel()
			time.AfterFunc(300*time.Millisecond, func() { _ = comms[1].Revoke() })
			missed := &engine.RankError{Rank: 2, Err: engine.ErrTimeout}
			err := engine.Unborn(ctx, comms[0], missed)
			if asleep {
				require.ErrorIs(t, err, engine.ErrRevoked)
			} else {
				require.Equal(t, missed, err)
			}
			ended := make(chan error)
			for _, c := range comms {
				go func() { ended <- c.Abort() }()
			}
			for range comms {
				<-ended
			}
		})
	}
}
