//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
)

var (
	_ transport.DeviceLender    = (*sender)(nil)
	_ transport.DeviceRegistrar = (*Mesh)(nil)
)

// Memory of a GPU is registered an allocation at a time, and stays so. What tells one
// allocation from the next at the same addresses is the number that the driver gives it:
// it is asked for anew by every call, and a region is found by that number alone. The
// adapters only read. What they would write to a GPU might be seen by its kernels late,
// without a read behind it that makes it arrive; so chunks arrive in the host's memory.
//
// An allocation that is freed while it is registered stays in the GPU's memory, where that
// goes by dma-buf. So calls look now and then what has gone, and give it back.

// sweepEvery is how often calls look for allocations that have gone, at most.
const sweepEvery = time.Second

// sweepDevices gives back the regions of allocations that have been freed. The mutex
// asking is held.
func (r *registry) sweepDevices(m *transport.DeviceMemory) {
	now := time.Now()
	if r.open.Load() > 0 || now.Sub(r.swept) < sweepEvery {
		return
	}
	r.swept = now
	var idle []*region
	r.mu.Lock()
	for _, g := range r.regions {
		if g.buffer != 0 && g.held == 0 {
			idle = append(idle, g)
		}
	}
	r.mu.Unlock()
	idle = slices.DeleteFunc(idle, func(g *region) bool { return m.Current(uint64(g.lo)) == g.buffer })
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open.Load() == 0 {
		r.discard(func(g *region) bool { return g.held == 0 && slices.Contains(idle, g) })
	}
}

// mostRefused is how many allocations are remembered that could not be registered.
const mostRefused = 256

// RegisterDevice makes an allocation of a GPU's memory one that chunks are sent from.
func (m *Mesh) RegisterDevice(memory *transport.DeviceMemory) (release func()) {
	g := m.registry.registerDevice(memory)
	if g == nil {
		return nil
	}
	return func() {
		m.registry.mu.Lock()
		defer m.registry.mu.Unlock()
		g.held--
	}
}

// registerDevice asks the GPU's driver under the mutex asking alone. The driver may keep
// its caller waiting until a stream has room, and the stream may wait for a collective,
// which needs the other mutex to end.
func (r *registry) registerDevice(m *transport.DeviceMemory) *region {
	if m.Buffer == 0 || m.Bytes < leastRegion {
		return nil
	}
	if g, settled := r.holdDevice(m.Buffer); settled {
		if r.asking.TryLock() { // else somebody else is with the driver
			r.sweepDevices(m)
			r.asking.Unlock()
		}
		return g
	}
	r.asking.Lock()
	defer r.asking.Unlock()
	r.sweepDevices(m)
	if g, settled := r.holdDevice(m.Buffer); settled {
		return g
	}
	for _, d := range devices(r.nics) {
		if r.way(m, d) == noWay {
			return nil
		}
	}
	g := &region{lo: uintptr(m.Base), hi: uintptr(m.Base + uint64(m.Bytes)), buffer: m.Buffer, held: 1, mrs: map[*ibv.Device]*ibv.MR{}}
	err := g.registerDevice(r, m)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		r.free(g)
		r.refuseDevice(m.Buffer)
		r.debug("memory of a GPU cannot be registered, and is sent through the host's", "gpu", m.PCI, "bytes", m.Bytes, "reason", err)
		return nil
	case r.closed:
		r.free(g)
		return nil
	}
	r.makeRoom(true)
	r.made.Add(1)
	r.regions = append(r.regions, g)
	return g
}

// holdDevice finds an allocation's region for one more call. It reports whether there is
// nothing to be tried: it is registered, cannot be, or is not to be any more.
func (r *registry) holdDevice(buffer uint64) (g *region, settled bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.refused[buffer] {
		return nil, true
	}
	if g = r.ofDevice(buffer); g == nil {
		return nil, false
	}
	g.held++
	r.regions = append(slices.DeleteFunc(r.regions, func(other *region) bool { return other == g }), g)
	return g, true
}

// refuseDevice remembers an allocation that could not be registered. The mutex is held.
func (r *registry) refuseDevice(buffer uint64) {
	if len(r.refused) >= mostRefused {
		clear(r.refused)
	}
	if r.refused == nil {
		r.refused = map[uint64]bool{}
	}
	r.refused[buffer] = true
}

// registerDevice registers the pages that the allocation is on. The registry's mutex
// asking is held.
func (g *region) registerDevice(r *registry, m *transport.DeviceMemory) error {
	page := uint64(os.Getpagesize())
	lo := m.Base &^ (page - 1)
	n := int64((m.Base+uint64(m.Bytes)+page-1)&^(page-1) - lo)
	fd := -1
	defer func() {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}()
	for _, d := range devices(r.nics) {
		var err error
		if r.way(m, d) == byPeerMemory {
			g.mrs[d], err = d.RegisterAt(lo, n)
		} else {
			if fd < 0 {
				fd, err = m.Export(lo, n)
			}
			if err == nil {
				g.mrs[d], err = d.RegisterDMABuf(fd, n, lo)
			}
		}
		if err != nil {
			delete(g.mrs, d)
			return err
		}
	}
	return nil
}

// ofDevice finds the region of an allocation. The mutex is held.
func (r *registry) ofDevice(buffer uint64) *region {
	for i := len(r.regions) - 1; i >= 0; i-- {
		if r.regions[i].buffer == buffer {
			return r.regions[i]
		}
	}
	return nil
}

// deviceRegion is the region that has n bytes at an address of an allocation, or nil. The
// mutex is held.
func (r *registry) deviceRegion(buffer, address uint64, n int) *region {
	g := r.ofDevice(buffer)
	if buffer == 0 || g == nil || uintptr(address) < g.lo || uintptr(address)+uintptr(n) > g.hi {
		return nil
	}
	return g
}

// CanLendDevice reports whether the adapters can read the memory. What is so short that
// it would travel in the request, they cannot, since the processor would have to.
func (s *sender) CanLendDevice(buffer, address uint64, n int) bool {
	r := &s.peer.mesh.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	return n > mostInline && r.deviceRegion(buffer, address, n) != nil
}

// mostInline is no less than what a request carries by itself.
const mostInline = 4 << 10

// LendDevice sends a chunk from a GPU's memory.
func (s *sender) LendDevice(ctx context.Context, h *transport.Header, buffer, address uint64, n int) error {
	m := s.peer.mesh
	var g *region
	if n > mostInline {
		g = m.registry.borrow(func() *region { return m.registry.deviceRegion(buffer, address, n) })
	}
	if g == nil {
		return m.own(fmt.Errorf("rdma: %w: memory of a GPU that is lent is not registered, or too short", transport.ErrInvalid))
	}
	m.registry.fromDevices.Add(1)
	return s.lendFrom(ctx, h, g, uintptr(address), n)
}

// Lent is how many chunks have been sent from memory of callers so far, GPUs' included.
func (m *Mesh) Lent() int64 { return m.registry.lent.Load() }

// LentFromDevices is how many chunks have been sent from memory of GPUs so far.
func (m *Mesh) LentFromDevices() int64 { return m.registry.fromDevices.Load() }
