//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/conformance"
)

// BenchmarkStream sends chunks of a MiB over one link.
func BenchmarkStream(b *testing.B) {
	needDevice(b)
	const size = 1 << 20
	all, _ := meshes(b, 2, Config{SlotSize: size})
	closeAfter(b, all)
	b.SetBytes(size)
	conformance.Stream(b, all[0], all[1], size, false)
}

const (
	// batchTrips is how many round trips are timed together: where the clock is a
	// device, reading it costs a tenth of one.
	batchTrips = 4
	// warmTrips come before those that are timed.
	warmTrips = 200
)

// The second process of BenchmarkRoundTrip is told where the first one listens, and
// how many round trips there will be.
const (
	meetEnv  = "MONEL_TEST_RDMA_MEET"
	tripsEnv = "MONEL_TEST_RDMA_TRIPS"
)

// BenchmarkRoundTrip sends 8 bytes to and fro between two processes, as perftest's
// latency tests do, and reports the median.
func BenchmarkRoundTrip(b *testing.B) {
	needDevice(b)
	if at := os.Getenv(meetEnv); at != "" {
		var trips int
		_, err := fmt.Sscan(os.Getenv(tripsEnv), &trips)
		require.NoError(b, err)
		roundTrips(b, 1, trips, dialer(at))
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer ln.Close()
	trips := (b.N+batchTrips-1)/batchTrips*batchTrips + warmTrips
	other := exec.Command(os.Args[0], "-test.run", "^$", "-test.bench", "^BenchmarkRoundTrip$", "-test.benchtime", "1x")
	other.Env = append(os.Environ(), meetEnv+"="+ln.Addr().String(), fmt.Sprintf("%s=%d", tripsEnv, trips))
	other.Stderr = os.Stderr
	require.NoError(b, other.Start())
	took := roundTrips(b, 0, trips, listener{ln, make(chan net.Conn, 1), make(chan net.Conn, 1)}.begin())
	require.NoError(b, other.Wait())
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "ns-median")
}

// roundTrips is one side's part. It returns how long the trips took, in batches.
func roundTrips(b *testing.B, rank, trips int, src ConnSource) []time.Duration {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	m, err := New(Config{Rank: rank, Size: 2, LocalRank: rank, LocalRanks: 2}, src)
	require.NoError(b, err)
	s, err := m.Sender(ctx, 1-rank, 0)
	require.NoError(b, err)
	v, err := m.Receiver(ctx, 1-rank, 0)
	require.NoError(b, err)
	var h transport.Header
	var took []time.Duration
	begin := time.Now()
	for i := range trips {
		if rank == 0 {
			if _, err = s.Acquire(ctx); err == nil {
				err = s.Commit(&h, 8)
			}
		}
		if err == nil {
			_, _, err = v.Next(ctx)
		}
		if err == nil {
			v.Release()
		}
		if rank == 1 && err == nil {
			if _, err = s.Acquire(ctx); err == nil {
				err = s.Commit(&h, 8)
			}
		}
		if err != nil {
			b.Fatal(err) // require would take as long as a message
		}
		if i%batchTrips == batchTrips-1 {
			now := time.Now()
			if i >= warmTrips {
				took = append(took, now.Sub(begin)/batchTrips)
			}
			begin = now
		}
	}
	require.NoError(b, m.Close())
	return took
}

// dialer is the source of the second process, which makes both connections. It says
// with a byte which one the first process dials.
type dialer string

func (d dialer) Dial(ctx context.Context, _, _ int) (net.Conn, error)   { return d.conn(ctx, 'a') }
func (d dialer) Accept(ctx context.Context, _, _ int) (net.Conn, error) { return d.conn(ctx, 'd') }

func (d dialer) conn(ctx context.Context, as byte) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", string(d))
	if err == nil {
		_, err = c.Write([]byte{as})
	}
	return c, err
}

// listener is the source of the first process.
type listener struct {
	net.Listener
	dialed, accepted chan net.Conn
}

func (l listener) begin() listener {
	go func() {
		for {
			c, err := l.Listener.Accept()
			if err != nil {
				return
			}
			var as [1]byte
			if _, err := c.Read(as[:]); err == nil && as[0] == 'd' {
				l.dialed <- c
			} else {
				l.accepted <- c
			}
		}
	}()
	return l
}

func (l listener) Dial(ctx context.Context, _, _ int) (net.Conn, error) { return oneOf(ctx, l.dialed) }

func (l listener) Accept(ctx context.Context, _, _ int) (net.Conn, error) {
	return oneOf(ctx, l.accepted)
}

func oneOf(ctx context.Context, conns chan net.Conn) (net.Conn, error) {
	select {
	case c := <-conns:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
