package engine_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// envEcho makes a child of the test binary call all_reduce on so many bytes
// until something fails.
const (
	envEcho = "MONEL_TEST_ECHO"
	envWire = "MONEL_TEST_WIRE"
)

// smallCall returns a call of so many bytes, in place.
func smallCall(c *engine.Comm, bytes int) func(ctx context.Context) error {
	x := strided.Of(make([]float32, bytes/4))
	return func(ctx context.Context) error { return c.AllReduce(ctx, x, x, engine.Sum) }
}

// BenchmarkSignature measures what ranks do in a call to find out whether they agree: they
// describe it, fold the description's hash into that of all calls before, write a header
// for each chunk that they send, and compare each that they receive. Beside BenchmarkCall
// of as many bytes, it says what of a call that is. A call like an earlier one is not
// described again; this is the price of the first.
func BenchmarkSignature(b *testing.B) {
	for _, bytes := range []int{8, 1 << 20} {
		b.Run(strconv.Itoa(bytes), func(b *testing.B) {
			x := strided.Of(make([]float32, bytes/4))
			sign := engine.Signing(x, max(1, bytes/engine.DefaultChunkBytes))
			timeBatches(b, func(context.Context) error { return sign() })
		})
	}
}

// BenchmarkCall measures all_reduce between two processes, of few bytes and of a MiB, back
// to back. On a machine that does other things too the least and the median of many
// short batches say what a call takes.
func BenchmarkCall(b *testing.B) {
	for _, wire := range []string{"shm", "tcp"} {
		for _, bytes := range []int{0, 8, 64, 512, 4 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%d", wire, bytes), func(b *testing.B) {
				id, err := engine.NewLocalUniqueID()
				require.NoError(b, err)
				peer := exec.Command(os.Args[0])
				peer.Env = append(os.Environ(), envRank+"=1", envSize+"=2", envID+"="+id.Text(),
					envEcho+"="+strconv.Itoa(bytes), envWire+"="+wire)
				require.NoError(b, peer.Start())
				defer func() { _ = peer.Wait() }()
				defer func() { _ = peer.Process.Kill() }() // Close would wait for it
				c, err := engine.Init(background, engine.Config{Rank: 0, Size: 2, ID: id, Transport: wire})
				require.NoError(b, err)
				b.Cleanup(func() { _ = c.Close() })
				timeBatches(b, smallCall(c, bytes))
			})
		}
	}
}

func timeBatches(b *testing.B, call func(ctx context.Context) error) {
	const batch = 64
	var each []time.Duration
	for range b.N/batch + 1 {
		start := time.Now()
		for range batch {
			if err := call(background); err != nil {
				b.Fatal(err)
			}
		}
		each = append(each, time.Since(start))
	}
	b.StopTimer()
	slices.Sort(each)
	b.ReportMetric(float64(each[0])/batch, "least-ns")
	b.ReportMetric(float64(each[len(each)/2])/batch, "median-ns")
}

// echo is the other rank of BenchmarkCall.
func echo(c *engine.Comm, bytes int) {
	for call := smallCall(c, bytes); call(background) == nil; {
	}
}
