//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
)

// The bits of end.use.
const (
	inUse   = 1 << iota // a call is in progress, or its user holds a slot
	closing             // set for good by the mesh's Close
)

// end is what the two ends of a link have in common.
type end struct {
	peer    *peer
	channel uint32
	slots   int    // twice what is promised
	cells   int    // of a link; at least as many as slots
	remote  uint64 // address of the peer's memory

	memory  []byte    // the slots, one behind the other, then the cells or the wish
	regions []*ibv.MR // of the memory, by queue
	queues  []*ibv.CQ // one for each port in use
	ports   []*nic    // by queue
	lanes   []lane

	// look polls the queues and reports whether what this end waits for is there.
	look func() (bool, error)
	// glance does so without the queues, where that is possible; nil on sending ends.
	glance func() bool
	// drowse prepares for sleep, and reports whether the peer may not have heard of it
	// in time; nil on sending ends.
	drowse func(ctx context.Context) (bool, error)
	// gone returns why what this end waits for never will be there, if so.
	gone func() error
	// linger waits until what was committed has been acknowledged.
	linger func(deadline time.Time) // nil on receiving ends
	total  func() uint32            // chunks committed; nil on receiving ends
	// destroyed hears that the queue pairs are no more; nil on receiving ends.
	destroyed func()

	call   sync.Mutex // held during calls: whoever has it may use the queues
	use    atomic.Uint32
	broken error // why the link is of no more use, but for the peer's loss
	spin   spin
	nap    int // how long the next sleep may last, in milliseconds

	bell     sync.Mutex // guards alarm
	alarm    int        // an eventfd that ends sleeps; -1 if there is none
	sleepers []unix.PollFd
}

// prepare makes what an end needs of its own side, with lanes on the ports given.
func (e *end) prepare(ports []*nic) error {
	m := e.peer.mesh
	e.alarm, e.nap = -1, napTime
	e.slots = 2 * m.cfg.Slots
	e.cells = max(leastCells, e.slots)
	e.spin = newSpin(m.cfg.Spin, m.cfg.LocalRanks)
	var err error
	if e.memory, err = ibv.Allocate(LinkBytes(m.cfg.SlotSize, m.cfg.Slots)); err != nil {
		return because(fmt.Errorf("%d bytes of memory for slots: %w", LinkBytes(m.cfg.SlotSize, m.cfg.Slots), err))
	}
	if e.alarm, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		e.alarm = -1
		return because(fmt.Errorf("a descriptor: %w", err))
	}
	perPort := map[*nic]int{}
	for _, n := range ports {
		perPort[n]++
	}
	for _, n := range ports {
		queue := -1
		for i := range e.ports {
			if e.ports[i] == n {
				queue = i
			}
		}
		if queue < 0 {
			queue = len(e.queues)
			cq, err := n.device.NewCQ((e.sends() + e.receives()) * perPort[n])
			if err != nil {
				return because(err)
			}
			e.queues, e.ports = append(e.queues, cq), append(e.ports, n)
			region, err := n.device.Register(e.memory, true)
			if err != nil {
				return because(fmt.Errorf("%d bytes of memory for slots: %w", len(e.memory), err))
			}
			e.regions = append(e.regions, region)
		}
		qp, err := n.device.NewQP(e.queues[queue], ibv.QPConfig{
			Sends: e.sends(), Receives: e.receives(), Inline: cellSize, ID: laneID(len(e.lanes)),
		})
		if err != nil {
			return because(err)
		}
		e.lanes = append(e.lanes, lane{nic: n, queue: queue, qp: qp, psn: rand.Uint32() & 0xffffff})
		if err := qp.Init(n.Number); err != nil {
			return because(err)
		}
	}
	return nil
}

// slot is the memory of a slot, head and payload.
func (e *end) slot(i int) []byte {
	size := e.peer.mesh.cfg.SlotSize
	at := i * stride(size)
	return e.memory[at : at+headSize+size : at+headSize+size]
}

// tail is the memory behind the slots: on the receiving side the cells, on the sending
// one the receiver's wish.
func (e *end) tail() []byte { return e.memory[e.tailAt():] }

func (e *end) tailAt() int { return e.slots * stride(e.peer.mesh.cfg.SlotSize) }

func (e *end) cell(i int) []byte {
	at := e.tailAt() + i*cellSize
	return e.memory[at : at+cellSize : at+cellSize]
}

func (e *end) address() uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(e.memory)))) }

// enter makes the slots safe to touch until leave. It fails after Close.
func (e *end) enter() bool { return e.use.CompareAndSwap(0, inUse) }

func (e *end) leave() { e.use.Add(^uint32(inUse - 1)) }

func (e *end) isClosing() bool { return e.use.Load()&closing != 0 }

// failed returns why this end is of no more use, if so, besides the loss of the
// peer.
func (e *end) failed() error {
	if e.isClosing() {
		return e.peer.mesh.errClosed()
	}
	if e.broken != nil {
		return e.broken
	}
	for _, n := range e.ports {
		if err := n.failed.Load(); err != nil {
			return e.peer.mesh.own(err)
		}
	}
	return nil
}

// breakdown makes the link useless, because a request failed. The requests behind
// it are flushed, so it is the first that says why.
func (e *end) breakdown(wc *ibv.WC) error {
	if e.broken == nil {
		e.broken = e.peer.errorf("%w", &CompletionError{e.lanes[laneOf(wc.ID)].nic.Name(), wc.Status, wc.VendorErr})
	}
	return e.broken
}

// fault makes the link useless, because of something on this side.
func (e *end) fault(err error) error {
	if e.broken == nil {
		e.broken = e.peer.mesh.own(because(err))
	}
	return e.broken
}

// violated makes the link useless, because the peer has written nonsense.
func (e *end) violated(format string, args ...any) error {
	if e.broken == nil {
		e.broken = e.peer.errorf("rdma: %w: %s", transport.ErrProtocol, fmt.Sprintf(format, args...))
	}
	return e.broken
}

// ring ends this end's sleep, the one under way or the next. Any goroutine may
// call it.
func (e *end) ring() {
	e.bell.Lock()
	defer e.bell.Unlock()
	if e.alarm > 0 {
		_, _ = unix.Write(e.alarm, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // a full counter rings as well
	}
}

// close makes all further calls return ErrClosed and wakes whoever waits.
func (e *end) close() {
	e.use.Or(closing)
	e.ring()
}

// destroy gives back all that the end has, once no call uses it. If a slot is still in
// use at the deadline, its addresses stay valid for a while.
func (e *end) destroy(deadline time.Time, grace time.Duration) error {
	e.use.Or(closing)
	e.call.Lock()
	defer e.call.Unlock()
	var errs []error
	for _, l := range e.lanes {
		errs = append(errs, l.qp.Destroy())
	}
	for _, r := range e.regions {
		errs = append(errs, r.Deregister())
	}
	for _, q := range e.queues {
		errs = append(errs, q.Destroy())
	}
	e.lanes, e.regions, e.queues = nil, nil, nil
	if e.destroyed != nil {
		e.destroyed()
	}
	e.bell.Lock()
	if e.alarm > 0 {
		_ = unix.Close(e.alarm)
	}
	e.alarm = -1
	e.bell.Unlock()
	for e.use.Load()&inUse != 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	memory := e.memory
	if e.use.Load()&inUse == 0 {
		e.memory = nil
		ibv.Free(memory)
	} else if len(memory) > 0 {
		time.AfterFunc(grace, func() { ibv.Free(memory) })
	}
	return errors.Join(errs...)
}
