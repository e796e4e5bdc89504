package engine_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

func reduceFloats(c *engine.Comm, elements int) error {
	x := strided.Of(make([]float32, elements))
	return c.AllReduce(background, x, x, engine.Sum)
}

func TestStatsAndFlight(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 2, engine.Config{Name: "weights", History: 4})
			w.must(t, func(_ int, c *engine.Comm) error {
				for range 5 {
					if err := reduceFloats(c, 2048); err != nil {
						return err
					}
				}
				x := strided.Of(make([]byte, 10))
				return c.Broadcast(background, x, x, 1)
			})
			for _, err := range w.each(t, func(rank int, c *engine.Comm) error { return reduceFloats(c, 1+rank) }) {
				require.ErrorIs(t, err, engine.ErrMismatch)
			}
			for rank, c := range w {
				s := c.Stats()
				require.Equal(t, "weights", s.Communicator)
				require.Equal(t, rank, s.Rank)
				require.Equal(t, name, s.Transport)
				require.Zero(t, s.Running)
				require.Len(t, s.Collectives, 2)
				reduce, cast := s.Collectives[0], s.Collectives[1]
				require.Equal(t, "all_reduce", reduce.Collective)
				require.Equal(t, uint64(6), reduce.Calls)
				require.Equal(t, uint64(1), reduce.Failures)
				require.Equal(t, uint64(5*8192), reduce.Bytes)
				require.Positive(t, reduce.Time)
				require.Equal(t, uint64(1), cast.Calls)
				require.Equal(t, uint64(10), cast.Bytes)

				f := c.Flight()
				require.Len(t, f.Operations, 4)
				for i, op := range f.Operations {
					require.Equal(t, uint64(3+i), op.Seq)
					require.WithinDuration(t, time.Now(), op.Began, time.Minute)
				}
				require.Equal(t, "all_reduce float sum shape [2048]", f.Operations[0].Call)
				require.Equal(t, engine.OperationDone, f.Operations[0].State)
				require.Positive(t, f.Operations[0].Lasted)
				require.Equal(t, "broadcast uint8 root 1 shape [10]", f.Operations[2].Call)
				require.Equal(t, engine.OperationFailed, f.Operations[3].State)
				require.Contains(t, f.Operations[3].Error, "ranks disagree")
			}
			first, second := w[0].Flight().Operations, w[1].Flight().Operations
			require.Equal(t, first[0].Signature, second[0].Signature)
			require.NotEqual(t, first[3].Signature, second[3].Signature)
		})
	}
}

// TestMessagesAndBlocksAreRecorded: messages are outside of the sequence of
// collectives, and what has blocks counts one of them, or all if they differ.
func TestMessagesAndBlocksAreRecorded(t *testing.T) {
	w := localWorld(t, 2, engine.Config{})
	w.must(t, func(rank int, c *engine.Comm) error {
		if err := reduceFloats(c, 1); err != nil {
			return err
		}
		x := strided.Of(make([]float32, 1500))
		if rank == 0 {
			if err := c.Send(background, x, 1); err != nil {
				return err
			}
		} else if err := c.Recv(background, x, 0); err != nil {
			return err
		}
		if err := c.AllGatherV(background, strided.Of(make([]byte, 7)), strided.Of(make([]byte, 3+rank)), []int64{3, 4}); err != nil {
			return err
		}
		return c.Barrier(background)
	})
	for rank, want := range [][]string{
		{"0 all_reduce float sum shape [1] 4", "1 send float to rank 1 count 1500 6000", "1 all_gather_v uint8 count 3 4 7", "2 barrier 0"},
		{"0 all_reduce float sum shape [1] 4", "1 recv float from rank 0 count 1500 6000", "1 all_gather_v uint8 count 3 4 7", "2 barrier 0"},
	} {
		var got []string
		for _, op := range w[rank].Flight().Operations {
			require.Equal(t, engine.OperationDone, op.State)
			got = append(got, fmt.Sprint(op.Seq, " ", op.Call, " ", op.Bytes))
		}
		require.Equal(t, want, got)
	}

	// A message that nobody receives is what the rank is doing.
	late := make(chan error, 1)
	go func() { late <- w[1].Recv(background, strided.Of(make([]byte, 9)), 0) }()
	require.Eventually(t, func() bool { return w[1].Stats().Running > 0 }, time.Minute, time.Millisecond)
	ops := w[1].Flight().Operations
	require.Equal(t, "recv uint8 from rank 0 count 9", ops[len(ops)-1].Call)
	require.NoError(t, w[0].Send(background, strided.Of(make([]byte, 9)), 1))
	require.NoError(t, <-late)
}

// TestRestartsAreCounted: ranks whose layouts walk differently start again.
func TestRestartsAreCounted(t *testing.T) {
	w := localWorld(t, 2, engine.Config{})
	w.must(t, func(rank int, c *engine.Comm) error {
		x := strided.Of(make([]float32, 6)).Reshape(2, 3)
		if rank == 1 {
			x = strided.Of(make([]float32, 6)).Reshape(3, 2).Permute(1, 0)
		}
		return c.AllReduce(background, x, x, engine.Sum)
	})
	for _, c := range w {
		require.Equal(t, uint64(1), c.Stats().Collectives[0].Restarts)
		require.Equal(t, 2, c.Flight().Operations[0].Attempts)
	}
}

// TestFlightOfACommunicatorThatHangs: what is read from another goroutine tells which
// operation is in progress.
func TestFlightOfACommunicatorThatHangs(t *testing.T) {
	w := localWorld(t, 2, engine.Config{})
	w.must(t, func(_ int, c *engine.Comm) error { return reduceFloats(c, 1) })
	late := make(chan error, 1)
	go func() { late <- reduceFloats(w[0], 3) }()
	require.Eventually(t, func() bool { return w[0].Stats().Running > 0 }, time.Minute, time.Millisecond)
	ops := w[0].Flight().Operations
	require.Len(t, ops, 2)
	require.Equal(t, engine.OperationRunning, ops[1].State)
	require.Equal(t, uint64(1), ops[1].Seq)
	require.Equal(t, "all_reduce float sum shape [3]", ops[1].Call)
	require.Zero(t, w[1].Stats().Running)
	require.NoError(t, reduceFloats(w[1], 3))
	require.NoError(t, <-late)
}

func readDump(t *testing.T, path string) (f engine.Flight) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &f), "%s", text)
	return f
}

// TestDumpOnFailure: the first failure leaves a file on every rank, and so does the
// one that ends the communicator, also on a rank that was in no call.
func TestDumpOnFailure(t *testing.T) {
	dir := t.TempDir()
	w := localWorld(t, 3, engine.Config{Name: "c", DumpFile: filepath.Join(dir, "%c-%r.json")})
	path := func(rank int) string { return filepath.Join(dir, "c-"+strconv.Itoa(rank)+".json") }
	w.must(t, func(_ int, c *engine.Comm) error { return reduceFloats(c, 1) })
	for rank := range w {
		require.NoFileExists(t, path(rank))
	}
	w.each(t, func(rank int, c *engine.Comm) error { return reduceFloats(c, 1+rank) })
	for rank := range w {
		f := readDump(t, path(rank))
		require.Equal(t, rank, f.Rank)
		require.False(t, f.Failed)
		require.Len(t, f.Operations, 2)
		require.Equal(t, engine.OperationFailed, f.Operations[1].State)
		require.NoError(t, os.Remove(path(rank)))
	}
	w.each(t, func(rank int, c *engine.Comm) error { return reduceFloats(c, 1+rank) })
	for rank := range w {
		require.NoFileExists(t, path(rank), "it is the first that tells most")
	}
	require.NoError(t, w[2].Close())
	require.ErrorIs(t, reduceFloats(w[0], 1), engine.ErrPeerLost)
	require.True(t, readDump(t, path(0)).Failed)
	require.Eventually(t, func() bool { _, err := os.Stat(path(1)); return err == nil }, time.Minute, time.Millisecond)
	require.NotEmpty(t, readDump(t, path(1)).Error)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "no file is left half-written")
}

// TestDumpsOfNamesakes: communicators of one name write files of their own.
func TestDumpsOfNamesakes(t *testing.T) {
	dir := t.TempDir()
	cfg := engine.Config{Name: "c", DumpFile: filepath.Join(dir, "%c-%r.json")}
	for i, w := range []world{localWorld(t, 2, cfg), localWorld(t, 2, cfg)} {
		for range i {
			w.must(t, func(_ int, c *engine.Comm) error { return reduceFloats(c, 1) })
		}
		w.each(t, func(rank int, c *engine.Comm) error { return reduceFloats(c, 1+rank) })
	}
	for i, name := range []string{"c", "c.1"} {
		for rank := range 2 {
			f := readDump(t, filepath.Join(dir, name+"-"+strconv.Itoa(rank)+".json"))
			require.Len(t, f.Operations, i+1)
		}
	}
}

// TestDumpThatCannotBeWritten changes nothing about the error.
func TestDumpThatCannotBeWritten(t *testing.T) {
	w := localWorld(t, 2, engine.Config{DumpFile: filepath.Join(t.TempDir(), "no", "such", "directory")})
	for _, err := range w.each(t, func(rank int, c *engine.Comm) error { return reduceFloats(c, 1+rank) }) {
		require.ErrorIs(t, err, engine.ErrMismatch)
	}
}

type failingWriter struct{}

var errDisk = errors.New("no space")

func (failingWriter) Write([]byte) (int, error) { return 0, errDisk }

func TestDumpReportsErrors(t *testing.T) {
	w := localWorld(t, 1, engine.Config{})
	require.ErrorIs(t, w[0].Dump(failingWriter{}), errDisk)
	require.ErrorIs(t, engine.WriteTrace(failingWriter{}, w...), errDisk)
	require.NoError(t, w[0].Dump(io.Discard))
}

// TestComms lists what is open, and no more.
func TestComms(t *testing.T) {
	mine := func() (ranks []int) {
		for _, c := range engine.Comms() {
			if c.Stats().Communicator == "mine" {
				ranks = append(ranks, c.Rank())
			}
		}
		return ranks
	}
	w := tcpWorld(t, 3, engine.Config{Name: "mine"})
	require.Equal(t, []int{0, 1, 2}, mine())
	w.must(t, func(_ int, c *engine.Comm) error { return c.Close() })
	require.Empty(t, mine())
	alone, err := engine.Init(background, engine.Config{Size: 1, Name: "mine"})
	require.NoError(t, err)
	require.Equal(t, []int{0}, mine())
	require.NoError(t, alone.Close())
	require.Empty(t, mine())
}

func TestNamesByDefaultAreShared(t *testing.T) {
	first, second := localWorld(t, 2, engine.Config{}), localWorld(t, 2, engine.Config{})
	require.Equal(t, first[0].Stats().Communicator, first[1].Stats().Communicator)
	require.NotEqual(t, first[0].Stats().Communicator, second[0].Stats().Communicator)
}

func TestHistoryAndTraceAreBounded(t *testing.T) {
	for _, cfg := range []engine.Config{{Size: 1, History: 1 << 30}, {Size: 1, TraceHops: -1}, {Size: 1, TraceHops: 1 << 30}} {
		_, err := engine.Init(background, cfg)
		require.ErrorIs(t, err, engine.ErrInvalidArgument)
	}
	w := localWorld(t, 1, engine.Config{History: -1})
	require.NoError(t, reduceFloats(w[0], 1))
	require.Empty(t, w[0].Flight().Operations)
	require.Equal(t, uint64(1), w[0].Stats().Collectives[0].Calls)
}

// chromeTrace is what TestTrace reads of a trace.
type chromeTrace struct {
	TraceEvents []struct {
		Name, Ph, ID string
		Pid          int
		Ts, Dur      float64
		Args         map[string]any
	}
}

// TestTrace: every hop has both its ends in the trace, within the operation that it
// belongs to, on every transport.
func TestTrace(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			const ranks = 3
			dir := t.TempDir()
			w := newWorld(t, ranks, engine.Config{Name: "c", ChunkBytes: 32 << 10, TraceFile: filepath.Join(dir, "%r.json")})
			w.must(t, func(_ int, c *engine.Comm) error {
				if err := reduceFloats(c, 1); err != nil {
					return err
				}
				return reduceFloats(c, 100_000) // several loops, through memory of the caller's own
			})
			var traces []io.Reader
			for rank, c := range w {
				require.NoError(t, w[rank].Err())
				_ = c
			}
			w.must(t, func(_ int, c *engine.Comm) error { return c.Close() })
			for rank := range w {
				text, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(rank)+".json"))
				require.NoError(t, err)
				traces = append(traces, bytes.NewReader(text))
			}
			var merged bytes.Buffer
			require.NoError(t, engine.MergeTraces(&merged, traces...))
			var trace chromeTrace
			require.NoError(t, json.Unmarshal(merged.Bytes(), &trace))

			type span struct{ from, to float64 }
			operations := map[[2]int]span{} // by process and sequence number
			ends := map[string]int{}        // of arrows, by what they join
			sent := 0.0
			for _, e := range trace.TraceEvents {
				switch {
				case e.Ph == "s":
					ends[e.ID]++
				case e.Ph == "f":
					ends[e.ID] += 1000
				case e.Ph == "X" && e.Args["attempts"] != nil:
					operations[[2]int{e.Pid, int(e.Args["seq"].(float64))}] = span{e.Ts, e.Ts + e.Dur}
				}
			}
			require.Len(t, operations, 2*ranks)
			for _, e := range trace.TraceEvents {
				if e.Ph != "X" || e.Args["chunk"] == nil {
					continue
				}
				op := operations[[2]int{e.Pid, int(e.Args["seq"].(float64))}]
				require.GreaterOrEqual(t, e.Ts+0.01, op.from)
				require.LessOrEqual(t, e.Ts+e.Dur-0.01, op.to)
				if e.Name == "send" {
					sent += e.Args["bytes"].(float64)
				}
			}
			require.NotEmpty(t, ends)
			for id, n := range ends {
				require.Equal(t, 1001, n, "arrow %s has both ends, once", id)
			}
			// The ring's 2(n-1)/n of 400,000 bytes on each rank, and doubling's 4 bytes.
			require.InDelta(t, 2*(ranks-1)*400_000, sent, 100)
		})
	}
}
