package strangers

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// habit is what a stranger does with a connection.
type habit struct {
	name string
	do   func(a *attack, conn net.Conn, rng *rand.Rand)
}

// patience is how long a stranger holds a connection that the other side leaves open.
const patience = 8 * time.Second

var habits = []habit{
	{"garbage", func(_ *attack, conn net.Conn, rng *rand.Rand) {
		p := make([]byte, 1+rng.IntN(4096))
		for i := range p {
			p[i] = byte(rng.Uint32())
		}
		conn.Write(p)
		listen(conn)
	}},
	{"a web browser", func(_ *attack, conn net.Conn, _ *rand.Rand) {
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: monel\r\n\r\n")
		listen(conn)
	}},
	{"a recording", func(a *attack, conn net.Conn, _ *rand.Rand) {
		conn.Write(a.recording)
		listen(conn)
	}},
	{"a recording, altered", func(a *attack, conn net.Conn, rng *rand.Rand) {
		p := append([]byte(nil), a.recording...)
		p[rng.IntN(len(p))] ^= 1 << rng.IntN(8)
		conn.Write(p)
		listen(conn)
	}},
	{"half a recording", func(a *attack, conn net.Conn, rng *rand.Rand) {
		conn.Write(a.recording[:rng.IntN(len(a.recording))])
		listen(conn)
	}},
	{"nothing", func(_ *attack, conn net.Conn, _ *rand.Rand) { listen(conn) }},
	{"slowly", func(a *attack, conn net.Conn, _ *rand.Rand) {
		for _, b := range a.recording {
			if _, err := conn.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}},
	{"hangs up", func(*attack, net.Conn, *rand.Rand) {}},
}

// listen waits until the other side ends the connection, or patience does.
func listen(conn net.Conn) {
	conn.SetDeadline(time.Now().Add(patience))
	io.Copy(io.Discard, conn)
}

// attack is strangers who come at a rate.
type attack struct {
	targets   []string
	recording []byte // what a member has sent, over a connection of a job with the same secret
	rate      int    // connections a second
	left      *atomic.Int64
	seed      uint64

	made    atomic.Int64 // connections
	stop    context.CancelFunc
	running sync.WaitGroup
}

// begin has strangers come until end, or until none is left.
func (a *attack) begin() {
	ctx, stop := context.WithCancel(context.Background())
	a.stop = stop
	a.running.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(a.rate))
		defer tick.Stop()
		for n := uint64(0); a.left.Add(-1) >= 0; n++ {
			select {
			case <-ctx.Done():
				a.left.Add(1)
				return
			case <-tick.C:
			}
			a.running.Go(func() { a.come(ctx, rand.New(rand.NewPCG(a.seed, n))) })
		}
	})
}

// come is one stranger.
func (a *attack) come(ctx context.Context, rng *rand.Rand) {
	d := net.Dialer{Timeout: time.Second}
	conn, err := d.DialContext(ctx, "tcp", a.targets[rng.IntN(len(a.targets))])
	if err != nil {
		a.left.Add(1) // nobody listens there yet, or its queue is full
		return
	}
	a.made.Add(1)
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer conn.Close()
	habits[rng.IntN(len(habits))].do(a, conn, rng)
}

// end sends the strangers away and returns when all have gone.
func (a *attack) end() {
	a.stop()
	a.running.Wait()
}
