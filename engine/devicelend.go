package engine

import (
	"strings"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// What a call sends first of a device's tensor, adapters may read from the device's
// memory, if it lies there in one piece: it is lent to the wire as memory of the host is.
//
// The stream has come to the agent before anything is sent, so what the caller's earlier
// work has written is in the device's memory, where an adapter's reads find it. Whatever
// the agent writes itself goes through pinned slots, and nothing is received into the
// device's memory. Before the agent ends, all that was lent has been read: later work of
// the stream may overwrite it, or free it.

// leastLent is how many bytes a tensor has at least that is worth registering.
const leastLent = 64 << 10

// source is an allocation that a call may send from.
type source struct {
	buffer, lo, hi uint64
	release        func()
}

// placed is a tensor of a device and what the driver says about where it is.
type placed struct {
	tensor *strided.Tensor
	where  cudaffi.Pointer
}

// offer has the wires register the allocations that tensors lie in. The driver is asked
// now, because in the course of a collective it must not be, and by every call, because
// other memory may have come to lie there.
func (c *Comm) offer(g *gpu, driver *cudaffi.Driver, sent []placed) (sources []source) {
	registrar, ok := c.mesh.(transport.DeviceRegistrar)
	if !ok {
		return nil
	}
	for _, p := range sent {
		if p.where.Memory != cudaffi.MemoryDevice || p.where.Buffer == 0 || bytesOf(*p.tensor) < leastLent {
			continue
		}
		if release := registrar.RegisterDevice(g.allocation(driver, &p.where)); release != nil {
			lo := uint64(p.where.Base)
			sources = append(sources, source{p.where.Buffer, lo, lo + uint64(p.where.Bytes), release})
		}
	}
	return sources
}

// allocation describes to wires an allocation of the device.
func (g *gpu) allocation(driver *cudaffi.Driver, where *cudaffi.Pointer) *transport.DeviceMemory {
	m := &transport.DeviceMemory{
		PCI: strings.ToLower(g.ctx.Device().PCIBusID), Buffer: where.Buffer, Base: uint64(where.Base), Bytes: where.Bytes,
		Current: func(address uint64) uint64 {
			now, err := driver.Pointer(cudaffi.DevicePtr(address))
			if err != nil {
				return 0
			}
			return now.Buffer
		},
	}
	if g.exports {
		m.Export = func(address uint64, n int64) (int, error) { return g.ctx.DMABuf(cudaffi.DevicePtr(address), n) }
	}
	return m
}

// letGo has the wires forget the gate's call, once.
func (t *gate) letGo() {
	t.forget.Do(func() {
		for _, s := range t.sources {
			s.release()
		}
	})
}

// deviceLenders are links as those that can send from a device's memory, nil unless all
// can and the call has such memory.
func (t *gate) deviceLenders(links ...transport.Sender) []transport.DeviceLender {
	if len(t.sources) == 0 {
		return nil
	}
	var all []transport.DeviceLender
	for _, link := range links {
		lender, ok := link.(transport.DeviceLender)
		if !ok {
			return nil
		}
		all = append(all, lender)
	}
	return all
}

// lent is where a chunk lies in a device's memory.
type lent struct{ buffer, at uint64 }

// canLend reports whether all lenders can send the elements [lo,hi) of a view, n bytes,
// from where they lie.
func (t *gate) canLend(to []transport.DeviceLender, v *deviceView, lo, hi int64, n int) (lent, bool) {
	if len(to) == 0 || n < directFrom {
		return lent{}, false
	}
	at, ok := v.piece(lo, hi)
	if !ok {
		return lent{}, false
	}
	for _, s := range t.sources {
		if at < s.lo || at+uint64(n) > s.hi {
			continue
		}
		for _, link := range to {
			if !link.CanLendDevice(s.buffer, at, n) {
				return lent{}, false
			}
		}
		return lent{s.buffer, at}, true
	}
	return lent{}, false
}

// piece is where the elements [lo,hi) are, if they lie one after the other.
func (v *deviceView) piece(lo, hi int64) (at uint64, ok bool) {
	p, from, n := v.part(lo, hi)
	if n != hi-lo || n == 0 {
		return 0, false
	}
	offset, last := int64(0), len(p.Size)-1
	if last >= 0 && (p.Stride[last] != p.size || from/p.Size[last] != (from+n-1)/p.Size[last]) {
		return 0, false
	}
	for k := last; k >= 0; k-- {
		offset += from % p.Size[k] * p.Stride[k]
		from /= p.Size[k]
	}
	return uint64(p.Base) + uint64(offset), true
}
