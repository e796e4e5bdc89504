//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
	"weak"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
)

const (
	// leastRegion is how many bytes memory has at least that is worth registering.
	leastRegion = 64 << 10
	// mostRegions is how many regions stay registered; the one not used for longest
	// goes first.
	mostRegions = 64
)

// registry is the callers' memory that the mesh's devices may read. Registering
// costs more than copying once, so regions stay registered, and the rule for how
// long is what keeps a device from reading pages that are not the memory any more:
//
// Unasked, only memory of Go's heap is registered. Its pages stay what they are for as
// long as the object that they belong to is alive, and a weak pointer tells, before the
// memory can become anything else, that it is not. Memory that the program has from
// the system, or from C, can be unmapped and mapped anew without anybody here being
// told. It goes through the slots, unless its owner has promised to say when it ends
// (keep). Memory of GPUs has numbers; see devicememory_linux.go.
type registry struct {
	nics        []*nic
	settings    *Settings
	log         *slog.Logger // nil for none
	made        atomic.Int64 // registrations ever made
	open        atomic.Int64 // requests that read registered memory and have not completed
	lent        atomic.Int64 // chunks ever lent
	fromDevices atomic.Int64 // of those, from GPUs

	// asking is held by who asks a GPU's driver, which may take until a collective has
	// ended. It comes before mu, which collectives need, and guards what comes next.
	asking sync.Mutex
	ways   map[directKey]way
	swept  time.Time // when freed memory of GPUs was looked for

	mu      sync.Mutex
	regions []*region // the one used last at the end
	off     bool      // the system refuses to register more of Go's heap
	closed  bool
	refused map[uint64]bool // allocations of GPUs that could not be registered
}

// region is registered memory of one object, of an owner's, or of a GPU's allocation.
type region struct {
	lo, hi  uintptr
	object  weak.Pointer[byte]
	kept    []byte // its owner says when it ends; nil for other memory
	buffer  uint64 // the allocation's number, 0 for memory of the host
	held    int    // calls that may lend the GPU's memory
	gone    bool   // its owner has said so
	mrs     map[*ibv.Device]*ibv.MR
	cleanup runtime.Cleanup
}

// alive reports whether the memory is still what it was when it was registered, as far
// as that is known without asking a GPU's driver.
func (g *region) alive() bool {
	if g.kept != nil || g.buffer != 0 {
		return !g.gone
	}
	return g.object.Value() != nil
}

func (r *registry) debug(text string, args ...any) {
	if r.log != nil {
		r.log.Debug(text, args...)
	}
}

func span(b []byte) (lo, hi uintptr) {
	lo = uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return lo, lo + uintptr(len(b))
}

// register makes memory readable, if that is possible and worth it.
func (r *registry) register(b []byte) {
	if len(b) < leastRegion {
		return
	}
	lo, hi := span(b)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.off || r.closed {
		return
	}
	if r.open.Load() == 0 { // else a request of a call that failed may still read
		r.discard(func(g *region) bool { return !g.alive() })
	}
	if at := r.index(lo, hi); at >= 0 {
		g := r.regions[at]
		r.regions = append(slices.Delete(r.regions, at, at+1), g)
		return
	}
	g := &region{lo: lo, hi: hi, mrs: map[*ibv.Device]*ibv.MR{}}
	if !g.attach(r, &b[0]) {
		return
	}
	r.makeRoom(false)
	if err := g.register(r, b); err != nil {
		// As a rule, no more memory may be locked. The slots do without it.
		r.off = true
		r.free(g)
		return
	}
	r.made.Add(1)
	r.regions = append(r.regions, g)
}

// register registers memory of the host with all devices.
func (g *region) register(r *registry, b []byte) error {
	for _, d := range devices(r.nics) {
		mr, err := d.Register(b, false)
		if err != nil {
			return err
		}
		g.mrs[d] = mr
	}
	runtime.KeepAlive(&b[0])
	return nil
}

// makeRoom gives back the region that was not used for longest, of the host's memory or of
// devices', if there are many and it is nobody's. One kind leaves the other alone: calls
// that are about to lend memory of the host hold nothing. The mutex is held.
func (r *registry) makeRoom(devices bool) {
	count := 0
	var oldest *region
	for _, g := range r.regions {
		if g.kept != nil || g.held > 0 || (g.buffer != 0) != devices {
			continue
		}
		count++
		if oldest == nil {
			oldest = g
		}
	}
	if count >= mostRegions && r.open.Load() == 0 {
		r.discard(func(g *region) bool { return g == oldest })
	}
}

// keep registers memory until drop.
func (r *registry) keep(b []byte) (*region, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("rdma: %w: no memory to register", transport.ErrInvalid)
	}
	lo, hi := span(b)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, fmt.Errorf("rdma: the mesh is %w", transport.ErrClosed)
	}
	g := &region{lo: lo, hi: hi, kept: b, mrs: map[*ibv.Device]*ibv.MR{}}
	if err := g.register(r, b); err != nil {
		r.free(g)
		return nil, because(fmt.Errorf("%d bytes of the caller's memory: %w", len(b), err))
	}
	r.made.Add(1)
	r.regions = append(r.regions, g)
	return g, nil
}

// drop ends what keep began. A request of a call that failed may still read the memory,
// whose pages then stay the adapter's until another call finds that it has ended.
func (r *registry) drop(g *region) {
	r.mu.Lock()
	defer r.mu.Unlock()
	g.gone = true
	if r.open.Load() == 0 {
		r.discard(func(g *region) bool { return !g.alive() })
	}
}

// attach follows the life of the object that p points into. It reports false if
// that is none on Go's heap.
func (g *region) attach(r *registry, p *byte) (ok bool) {
	defer func() {
		if recover() != nil { // the memory is not Go's
			ok = false
		}
	}()
	g.cleanup = runtime.AddCleanup(p, func(struct{}) { r.sweep() }, struct{}{})
	if g.cleanup == (runtime.Cleanup{}) { // a variable of the program, which no weak pointer can point to
		return false
	}
	g.object = weak.Make(p)
	return true
}

// sweep gives back the regions whose objects are gone.
func (r *registry) sweep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open.Load() == 0 {
		r.discard(func(g *region) bool { return !g.alive() })
	}
}

// index finds the region that has all of [lo,hi), -1 if none has. The mutex is held.
func (r *registry) index(lo, hi uintptr) int {
	for i := len(r.regions) - 1; i >= 0; i-- {
		if g := r.regions[i]; g.buffer == 0 && g.lo <= lo && hi <= g.hi && g.alive() {
			return i
		}
	}
	return -1
}

// find returns the region that has all of the memory, or nil.
func (r *registry) find(b []byte) *region {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hostRegion(b)
}

// hostRegion is find with the mutex held.
func (r *registry) hostRegion(b []byte) *region {
	lo, hi := span(b)
	if at := r.index(lo, hi); at >= 0 {
		return r.regions[at]
	}
	return nil
}

// borrow counts a request that is to read the region that which finds, if any, in the
// same moment: nobody can give it back in between.
func (r *registry) borrow(which func() *region) *region {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := which()
	if g != nil {
		r.open.Add(1)
	}
	return g
}

// discard gives back the regions that are to go. The mutex is held.
func (r *registry) discard(goes func(*region) bool) {
	r.regions = slices.DeleteFunc(r.regions, func(g *region) bool {
		if goes(g) {
			r.free(g)
			return true
		}
		return false
	})
}

func (r *registry) free(g *region) {
	g.cleanup.Stop()
	for _, mr := range g.mrs {
		_ = mr.Deregister() // what it would say, nobody can mend
	}
}

// close gives everything back, also what is being registered.
func (r *registry) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.asking.Lock() // who has it sees that, and gives back its own
	defer r.asking.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.discard(func(*region) bool { return true })
}
