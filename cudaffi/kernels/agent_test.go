//go:build linux && (amd64 || arm64)

package kernels

import (
	"runtime"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"
	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
)

// agentOnHost is the host as a machine that carries out all orders by one Run.
type agentOnHost struct {
	*host
	run *Run
}

func (a *agentOnHost) do(o order) error {
	err := a.run.do(o)
	for !a.run.Done(a.run.Last()) {
		runtime.Gosched()
	}
	return err
}

// onAgent has an agent run on the host until the test ends.
func onAgent(t testing.TB) *agentOnHost {
	h := onHost(t)
	memory := aligned(runBytes + deviceBytes)
	at := uint64(uintptr(unsafe.Pointer(&memory[0])))
	a := &agentOnHost{h, newRun(memory[:runBytes], at, at+uint64(runBytes))}
	agent := h.named(t, "monel_agent")
	ended := make(chan struct{})
	a.run.begin()
	start := func() {
		params := [1]unsafe.Pointer{unsafe.Pointer(&a.run.params)}
		grid, block := &[3]uint32{1, 1, 1}, &[3]uint32{blockThreads, 1, 1}
		purego.SyscallN(agent, uintptr(unsafe.Pointer(grid)), uintptr(unsafe.Pointer(block)), uintptr(unsafe.Pointer(&params)))
		runtime.KeepAlive(a)
		close(ended)
	}
	go start()
	t.Cleanup(func() {
		a.run.End()
		<-ended
		require.True(t, a.run.Done(a.run.Last()))
		runtime.KeepAlive(memory)
	})
	return a
}

// TestAgentTable gives all commands to one Run, many times more than its ring has
// room for.
func TestAgentTable(t *testing.T) { checkTable(t, onAgent(t)) }

// TestAgentAhead has commands wait for an agent that starts late, and a second Run
// go on where the first ended.
func TestAgentAhead(t *testing.T) {
	h := onHost(t)
	memory := aligned(runBytes + deviceBytes)
	at := uint64(uintptr(unsafe.Pointer(&memory[0])))
	run := newRun(memory[:runBytes], at, at+uint64(runBytes))
	from, to := filled(seeded(t), 24*128), aligned(24*128)
	address := func(b []byte) cudaffi.DevicePtr { return cudaffi.DevicePtr(uintptr(unsafe.Pointer(&b[0]))) }
	v := &View{Base: address(from), Count: 24 * 128, Size: []int64{24 * 128}, Stride: []int64{1}}
	for range 3 {
		clear(to)
		run.begin()
		var tickets []Ticket
		for i := range int64(24) {
			require.NoError(t, run.Pack(v, i*128, i*128+128, address(to)+cudaffi.DevicePtr(i*128)))
			tickets = append(tickets, run.Last())
			require.False(t, run.Done(run.Last()))
		}
		run.End()
		params := [1]unsafe.Pointer{unsafe.Pointer(&run.params)}
		grid, block := &[3]uint32{1, 1, 1}, &[3]uint32{blockThreads, 1, 1}
		purego.SyscallN(h.named(t, "monel_agent"), uintptr(unsafe.Pointer(grid)), uintptr(unsafe.Pointer(block)), uintptr(unsafe.Pointer(&params)))
		for _, ticket := range tickets {
			require.True(t, run.Done(ticket))
		}
		require.Equal(t, from, to[:len(from)])
	}
	runtime.KeepAlive(memory)
}

// TestAgentWithoutCommands: an agent that is told to end before it has begun does
// nothing, and the Run can be used again.
func TestAgentWithoutCommands(t *testing.T) {
	h := onHost(t)
	memory := aligned(runBytes + deviceBytes)
	at := uint64(address(memory))
	run := newRun(memory[:runBytes], at, at+uint64(runBytes))
	for range 2 * agentSlots {
		run.begin()
		require.False(t, run.Begun())
		run.End()
		params := [1]unsafe.Pointer{unsafe.Pointer(&run.params)}
		grid, block := &[3]uint32{1, 1, 1}, &[3]uint32{blockThreads, 1, 1}
		purego.SyscallN(h.named(t, "monel_agent"), uintptr(unsafe.Pointer(grid)), uintptr(unsafe.Pointer(block)), uintptr(unsafe.Pointer(&params)))
		require.True(t, run.Begun())
		require.True(t, run.Done(run.Last()))
	}
	runtime.KeepAlive(memory)
}
