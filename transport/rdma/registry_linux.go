//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"
	"weak"

	"github.com/monel-dev/monel/internal/ibv"
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
// Only memory of Go's heap is registered. Its pages stay what they are for as long
// as the object that they belong to is alive, and a weak pointer tells, before the
// memory can become anything else, that it is not. Memory that the program has from
// the system, or from C, can be unmapped and mapped anew without anybody here being
// told. It goes through the slots.
type registry struct {
	nics []*nic
	made atomic.Int64 // registrations ever made
	open atomic.Int64 // requests that read registered memory and have not completed

	mu      sync.Mutex
	regions []*region // the one used last at the end
	off     bool      // the system refuses, or the mesh is closed
}

// region is registered memory of one object.
type region struct {
	lo, hi  uintptr
	object  weak.Pointer[byte]
	mrs     map[*ibv.Device]*ibv.MR
	cleanup runtime.Cleanup
}

func (g *region) alive() bool { return g.object.Value() != nil }

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
	if r.off {
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
	if len(r.regions) >= mostRegions && r.open.Load() == 0 {
		oldest := r.regions[0]
		r.discard(func(g *region) bool { return g == oldest })
	}
	for _, d := range devices(r.nics) {
		mr, err := d.Register(b, false)
		if err != nil {
			// As a rule, no more memory may be locked. The slots do without it.
			r.off = true
			r.free(g)
			return
		}
		g.mrs[d] = mr
	}
	runtime.KeepAlive(&b[0])
	r.made.Add(1)
	r.regions = append(r.regions, g)
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
		if g := r.regions[i]; g.lo <= lo && hi <= g.hi && g.alive() {
			return i
		}
	}
	return -1
}

// find returns the region that has all of the memory, or nil.
func (r *registry) find(b []byte) *region {
	lo, hi := span(b)
	r.mu.Lock()
	defer r.mu.Unlock()
	if at := r.index(lo, hi); at >= 0 {
		return r.regions[at]
	}
	return nil
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

// close gives everything back.
func (r *registry) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.off = true
	r.discard(func(*region) bool { return true })
}
