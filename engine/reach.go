package engine

import (
	"sync"
	"sync/atomic"

	"github.com/monel-dev/monel/strided"
)

// reach lets what works on tensors in host memory work on those of a device: it is the
// strided.Access of their views, which has the agent pack elements into pinned memory
// and unpack them from there, a chunk at a time. Who calls goes on while the agent
// unpacks, and is spared the wait for what it has said ahead that it would pack; so the
// bus and the network are busy at the same time.
type reach struct {
	tensors []argument // some of which are the device's

	mu    sync.Mutex // a group's messages go on side by side
	d     *deviceRun // while an attempt lasts
	rooms []room     // pinned memory, the same
	freed sync.Cond  // told when a room is left
}

// tally counts, in tests, what all reaches pack.
type tally struct {
	told   atomic.Int64 // ranges said ahead
	early  atomic.Int64 // of them, those that were packed then
	asked  atomic.Int64 // ranges that nobody had said ahead
	landed atomic.Int64 // ranges unpacked
}

var reached *tally // nil but in tests

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

// during has f reach the tensors while it lasts. What has been unpacked is there when
// the agent has done all that it was told.
func (r *reach) during(d *deviceRun, f func() error) (err error) {
	r.begin(d)
	defer caught(&err)
	return f()
}

// Pack is strided.Access's.
func (r *reach) Pack(v strided.View, out []byte, lo, hi int64) {
	view := viewOnDevice(v)
	for lo < hi {
		n := r.packSome(v, &view, out, lo, hi)
		out, lo = out[n*view.size:], lo+n
	}
}

// packSome packs elements from lo on and returns how many.
func (r *reach) packSome(v strided.View, view *deviceView, out []byte, lo, hi int64) int64 {
	m, at, err := r.packing(v, view, lo, hi)
	if err != nil {
		panic(unreachable{err})
	}
	n := min(hi, m.hi) - lo
	defer r.leave(m, func() { m.lo = lo + n }) // the rest is still wanted
	if err := r.d.gate.await(r.d.Stop, m.s.ticket); err != nil {
		panic(unreachable{err})
	}
	copy(out[:n*view.size], m.s.host[at:])
	return n
}

// Unpack is strided.Access's.
func (r *reach) Unpack(v strided.View, in []byte, lo, hi int64) {
	view := viewOnDevice(v)
	for lo < hi {
		m, err := r.take()
		if err != nil {
			panic(unreachable{err})
		}
		n := min(hi-lo, m.holds(&view))
		copy(m.s.host, in[:n*view.size])
		if reached != nil {
			reached.landed.Add(1)
		}
		r.leave(m, func() { err = r.d.unpack(&view, lo, lo+n, m.s) })
		if err != nil {
			panic(unreachable{err})
		}
		in, lo = in[n*view.size:], lo+n
	}
}

// Ahead is strided.Access's.
func (r *reach) Ahead(v strided.View, lo, hi int64) {
	view := viewOnDevice(v)
	if reached != nil {
		reached.told.Add(1)
	}
	m, err := r.take()
	if err != nil {
		panic(unreachable{err})
	}
	r.leave(m, func() { err = m.fill(r.d, v, &view, lo, hi) })
	if err != nil {
		panic(unreachable{err})
	}
}
