package kernels

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/monel-dev/monel/cudaffi"
)

// agentSlots is how many commands a Run's ring has room for.
const agentSlots = 32

// command and agentParams are the structs of agent.h.
type command struct {
	number uint32 // atomic, written last
	kernel uint32 // atomic
	unused [2]uint32
	told   job // or a run
}

type agentParams struct {
	commands, done, relay, shares uint64
	first                         uint32
	unused                        uint32
}

// agentEnd is the kernel number that ends a Run.
const agentEnd = ^uint32(0)

// runBytes is how much pinned memory a Run takes, and deviceBytes how much of the
// device's.
const (
	doneBytes   = (agentSlots + 1) * 4 // the last word tells that it has begun
	runBytes    = (int(unsafe.Sizeof(command{}))*agentSlots + doneBytes + 127) / 128 * 128
	relayBytes  = int(unsafe.Sizeof(command{})) * agentSlots
	deviceBytes = relayBytes + agentSlots*4
)

// Run is an agent on a stream. Its methods are called by one goroutine at a time,
// but for Done and Ended, which any may call.
//
// Commands that are under way together are carried out in parallel, so one that
// depends on another is given when that is Done.
type Run struct {
	runs     *Runs
	stream   cudaffi.Stream
	commands []command
	done     []uint32 // atomic
	params   agentParams
	next     uint32 // the number of the next command
	ending   bool
	ended    cudaffi.Event
	marks    bool // ended has been made
	recorded bool // ended follows the agent

	// Stop, if it is set, is asked while a command waits for room in the ring. Its
	// error becomes that of the command.
	Stop func() error
}

// Ticket names the commands of a Run up to a point.
type Ticket uint32

// newRun makes a Run of runBytes that the device sees at the address at, and of
// deviceBytes of its own. Both are 0.
func newRun(memory []byte, at, device uint64) *Run {
	r := &Run{
		next:     agentSlots,
		commands: unsafe.Slice((*command)(unsafe.Pointer(&memory[0])), agentSlots),
		done:     unsafe.Slice((*uint32)(unsafe.Pointer(&memory[runBytes-doneBytes])), agentSlots+1),
		params:   agentParams{commands: at, done: at + uint64(runBytes-doneBytes), relay: device, shares: device + uint64(relayBytes)},
	}
	return r
}

// begin makes a Run ready for its next launch. Commands of the last one that it did
// not come to count as done.
func (r *Run) begin() {
	r.params.first, r.ending, r.recorded, r.Stop = r.next, false, false, nil
	for n := r.next - agentSlots; n != r.next; n++ {
		atomic.StoreUint32(&r.done[n%agentSlots], n)
	}
}

// Begun reports whether the agent's turn on the stream has come.
func (r *Run) Begun() bool { return atomic.LoadUint32(&r.done[agentSlots]) == r.params.first }

// Last is the ticket of the last command.
func (r *Run) Last() Ticket { return Ticket(r.next - 1) }

// Done reports whether the commands up to t are done: their results can be seen, on
// the host as on the device, and their slots are free.
func (r *Run) Done(t Ticket) bool {
	return int32(atomic.LoadUint32(&r.done[uint32(t)%agentSlots])-uint32(t)) >= 0
}

// launch writes a command. It waits while the ring is full, which is not long once
// the agent runs, so callers let no more than half as many commands be under way.
func (r *Run) launch(k kernel, _, shared uint32, params unsafe.Pointer) error {
	if shared > agentShared {
		return fmt.Errorf("kernels: a tile of %d bytes: %w", shared, ErrView)
	}
	size := unsafe.Sizeof(run{})
	if k >= kernelOf(general, 1) {
		size = unsafe.Offsetof(job{}.dim) + uintptr((*job)(params).dims)*unsafe.Sizeof(dim{})
	}
	return r.write(k.place(), params, size)
}

func (r *Run) write(k uint32, params unsafe.Pointer, bytes uintptr) error {
	for looks := 0; !r.Done(Ticket(r.next - agentSlots + 1)); looks++ { // one place is End's
		if r.Stop != nil {
			if err := r.Stop(); err != nil {
				return err
			}
		}
		if looks < 1000 {
			runtime.Gosched()
		} else {
			time.Sleep(50 * time.Microsecond)
		}
	}
	r.put(k, params, bytes)
	return nil
}

func (r *Run) put(k uint32, params unsafe.Pointer, bytes uintptr) {
	c := &r.commands[r.next%agentSlots]
	atomic.StoreUint32(&c.kernel, k)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&c.told)), bytes), unsafe.Slice((*byte)(params), bytes))
	atomic.StoreUint32(&c.number, r.next)
	r.next++
}

// do has an order carried out.
func (r *Run) do(o order) error {
	p := planners.Get().(*planner)
	p.l = r
	err := p.carryOut(&o)
	p.l = nil
	planners.Put(p)
	return err
}

// End tells the agent to end when the commands so far are done. Nothing can be
// told to it afterwards. If the agent has not begun it will end at once.
func (r *Run) End() {
	if !r.ending {
		r.ending = true
		r.put(agentEnd, nil, 0)
	}
}

// Ended reports whether the agent has left the stream. An error says that it never
// will, or that it was stopped together with all that was on the device. It may be
// asked while CUDA graphs are being captured.
func (r *Run) Ended() (ended bool, err error) {
	err = r.runs.agent.ctx.Do(func() (err error) {
		if !r.recorded {
			if err := r.record(); err != nil {
				return err
			}
		}
		ended, err = r.ended.Query()
		return err
	})
	return ended, err
}

// Release gives back a Run that has been told to end, once it has.
func (r *Run) Release() {
	r.runs.mu.Lock()
	r.runs.leaving = append(r.runs.leaving, r)
	r.runs.mu.Unlock()
}

// start reports whether the agent is on the stream.
func (r *Run) start(stream cudaffi.Stream) (on bool, err error) {
	agent, last := r.runs.agent, r.runs.last
	if !r.marks {
		if r.ended, err = agent.ctx.NewEvent(); err != nil {
			return false, err
		}
		r.marks = true
	}
	if last != nil && last != r && last.recorded {
		if err := stream.Wait(last.ended); err != nil {
			return false, err
		}
	}
	r.begin()
	r.stream = stream
	err = agent.function.Launch(stream, [3]uint32{agent.blocks, 1, 1}, [3]uint32{blockThreads, 1, 1}, agentShared, unsafe.Pointer(&r.params))
	if err != nil {
		return false, err
	}
	return true, r.record()
}

// record has the event follow the agent.
func (r *Run) record() error {
	err := r.ended.Record(r.stream)
	r.recorded = err == nil
	return err
}

// left reports whether the agent has been told to end and has done so. It touches
// nothing afterwards.
func (r *Run) left() bool { return r.ending && r.Done(r.Last()) }
