//go:build linux && (amd64 || arm64) && !nocuda

package kernels

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
)

// gpu is a device as a machine. Tensors are in its memory, slots there or in the
// host's.
type gpu struct {
	ctx    *cudaffi.Context
	set    *Set
	stream cudaffi.Stream
	runs   *Runs
	run    *Run // does everything, if there is one
	pinned bool
	memory [memories]struct {
		at    cudaffi.DevicePtr
		bytes int64
		host  *cudaffi.Pinned
	}
}

// onGPU is the first device of a driver.
func onGPU(t *testing.T, d *cudaffi.Driver, pinned bool) *gpu {
	t.Helper()
	g := &gpu{pinned: pinned}
	var err error
	g.ctx, err = d.Primary(0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.ctx.Release()) })
	g.set, err = Load(g.ctx)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.set.Unload()) })
	g.stream, err = g.ctx.NewStream(cudaffi.PriorityDefault)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.stream.Destroy()) })
	t.Cleanup(func() {
		for k := range g.memory {
			require.NoError(t, g.free(k))
		}
	})
	return g
}

func (g *gpu) free(k int) (err error) {
	m := &g.memory[k]
	switch {
	case m.host != nil:
		err = m.host.Free()
	case m.at != 0:
		err = g.ctx.Free(m.at)
	}
	m.host, m.at, m.bytes = nil, 0, 0
	return err
}

// room is memory k, with at least n bytes.
func (g *gpu) room(t testing.TB, k int, n int64) cudaffi.DevicePtr {
	m := &g.memory[k]
	if m.bytes >= n {
		return m.at
	}
	if g.run != nil { // freeing memory would wait for its end
		g.end(t)
		defer g.start(t)
	}
	require.NoError(t, g.free(k))
	var err error
	m.bytes = 2 * n
	if g.pinned && (k == inMemory || k == outMemory) {
		m.host, err = g.ctx.AllocPinned(int(m.bytes))
		require.NoError(t, err)
		m.at = m.host.Device()
		return m.at
	}
	m.at, err = g.ctx.Alloc(m.bytes)
	require.NoError(t, err)
	return m.at
}

func (g *gpu) place(t testing.TB, k int, b []byte, shift int) cudaffi.DevicePtr {
	t.Helper()
	at := g.room(t, k, int64(len(b)+shift)) + cudaffi.DevicePtr(shift)
	switch host := g.memory[k].host; {
	case len(b) == 0:
	case host != nil:
		copy(host.Bytes()[shift:], b)
	default:
		require.NoError(t, g.ctx.CopyFromHost(at, b))
		require.NoError(t, g.ctx.StreamOf(cudaffi.StreamLegacy).Sync()) // the copy may still be on its way
	}
	return at
}

func (g *gpu) fetch(t testing.TB, k int, b []byte, shift int) {
	t.Helper()
	switch m := g.memory[k]; {
	case len(b) == 0:
	case m.host != nil:
		copy(b, m.host.Bytes()[shift:])
	default:
		require.NoError(t, g.ctx.CopyToHost(b, m.at+cudaffi.DevicePtr(shift)))
	}
}

func (g *gpu) do(o order) error {
	if g.run != nil {
		return g.tell(o)
	}
	return errors.Join(g.set.do(g.stream, o), g.stream.Sync())
}

// tell does an order as a command.
func (g *gpu) tell(o order) error {
	if err := g.run.do(o); err != nil {
		return err
	}
	for !g.run.Done(g.run.Last()) {
		if ended, err := g.run.Ended(); ended || err != nil {
			return errors.Join(errors.New("the agent has ended too early"), err)
		}
		runtime.Gosched()
	}
	return nil
}

// withRun has a run do what each check asks for.
func (g *gpu) withRun(t *testing.T, checks ...func()) {
	agent, err := LoadAgent(g.ctx)
	require.NoError(t, err)
	defer func() { require.NoError(t, agent.Unload()) }()
	g.runs, err = agent.NewRuns(1)
	require.NoError(t, err)
	defer func() { require.NoError(t, g.runs.Free()) }()
	defer func() {
		if g.run != nil { // a check has failed
			g.run.End()
			g.run = nil
		}
	}()
	for _, check := range checks {
		g.start(t)
		none, err := g.runs.Start(g.stream)
		require.NoError(t, err)
		require.Nil(t, none, "all are on their way")
		check()
		g.end(t)
	}
}

func (g *gpu) start(t testing.TB) {
	var err error
	g.run, err = g.runs.Start(g.stream)
	require.NoError(t, err)
	require.NotNil(t, g.run)
}

func (g *gpu) end(t testing.TB) {
	g.run.End()
	require.NoError(t, g.stream.Sync())
	ended, err := g.run.Ended()
	require.NoError(t, err)
	require.True(t, ended)
	g.run.Release()
	g.run = nil
}

// checkGPU does on a device what is done on the host.
func checkGPU(t *testing.T, d *cudaffi.Driver, rounds int) {
	for _, pinned := range []bool{true, false} {
		t.Run(fmt.Sprintf("pinned slots %v", pinned), func(t *testing.T) {
			m := onGPU(t, d, pinned)
			t.Run("table", func(t *testing.T) { checkTable(t, m) })
			t.Run("random", func(t *testing.T) { checkRandomly(t, m, rounds) })
			t.Run("every value", func(t *testing.T) { checkEveryValue(t, m) })
			t.Run("agent", func(t *testing.T) {
				m.withRun(t, func() { checkTable(t, m) }, func() { checkRandomly(t, m, rounds) })
			})
		})
	}
}

// TestDevice does everything on this machine's GPU, if it has one. With
// MONEL_TEST_GPU set it has to.
func TestDevice(t *testing.T) {
	d, err := cudaffi.Default()
	if os.Getenv("MONEL_TEST_GPU") == "" && (errors.Is(err, cudaffi.ErrNoCUDA) || errors.Is(err, cudaffi.ErrNoDevice)) {
		t.Skip(err)
	}
	require.NoError(t, err)
	checkGPU(t, d, 3000)
}

// TestSimulated goes the way of TestDevice with a driver that is always there.
func TestSimulated(t *testing.T) {
	sim := cudasim.Load(t)
	d, err := cudaffi.Open(sim.Path())
	require.NoError(t, err)
	checkGPU(t, d, 200)
	require.Empty(t, sim.Leaks())
}
