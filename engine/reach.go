package engine

import (
	"sync"

	"github.com/monel-dev/monel/strided"
)

// reach lets what works on tensors in host memory work on those of a device: it is the
// strided.Access of their views, which has the agent pack elements into pinned memory
// and unpack them from there, a chunk at a time. all_reduce and broadcast, which have
// ways of their own (deviceRing, deviceTree), overlap that with the network; this does
// not.
type reach struct {
	tensors []argument // some of which are the device's

	mu sync.Mutex // a group's messages go on side by side
	d  *deviceRun // while an attempt lasts
}

// reachOf is how the device's tensors among some are reached, which become tensors that
// go that way; nil if there are none.
func reachOf(names []string, tensors ...*strided.Tensor) *reach {
	r := &reach{}
	for i, t := range tensors {
		r.add(names[i], t)
	}
	return r.used()
}

// add has a tensor be reached by r if it is a device's.
func (r *reach) add(name string, t *strided.Tensor) {
	if onDevice(t) {
		r.tensors = append(r.tensors, argument{name, *t})
		*t = t.Through(r)
	}
}

// used is r, or nil if no tensor is reached by it.
func (r *reach) used() *reach {
	if r.tensors == nil {
		return nil
	}
	return r
}

// dstSrc are the names of a call's tensors.
var dstSrc = []string{"dst", "src"}

// unreachable is what an Access panics with that cannot get at the memory.
type unreachable struct{ err error }

// caught makes the panic of an Access the error of whoever defers it.
func caught(err *error) {
	switch p := recover().(type) {
	case nil:
	case unreachable:
		*err = p.err
	default:
		panic(p)
	}
}

// during has f reach the tensors while it lasts.
func (r *reach) during(d *deviceRun, f func() error) (err error) {
	r.d = d
	defer caught(&err)
	return f()
}

// Pack is strided.Access's.
func (r *reach) Pack(v strided.View, out []byte, lo, hi int64) {
	r.staged(v, lo, hi, func(view *deviceView, lo, hi int64, room *slot) error {
		if err := r.d.pack(view, lo, hi, room); err != nil {
			return err
		}
		err := r.d.gate.drain()
		out = out[copy(out, room.host[:(hi-lo)*view.size]):]
		return err
	})
}

// Unpack is strided.Access's.
func (r *reach) Unpack(v strided.View, in []byte, lo, hi int64) {
	r.staged(v, lo, hi, func(view *deviceView, lo, hi int64, room *slot) error {
		in = in[copy(room.host[:(hi-lo)*view.size], in):]
		if err := r.d.unpack(view, lo, hi, room); err != nil {
			return err
		}
		return r.d.gate.drain()
	})
}

// staged calls do for parts of the elements [lo,hi) that fit into pinned memory.
func (r *reach) staged(v strided.View, lo, hi int64, do func(view *deviceView, lo, hi int64, room *slot) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	view, room := viewOnDevice(v), &r.d.g.scratch
	most := int64(len(room.host)) / view.size
	for lo < hi {
		end := min(hi, lo+most)
		if err := do(&view, lo, end, room); err != nil {
			panic(unreachable{err})
		}
		lo = end
	}
}
