package engine

import (
	"github.com/monel-dev/monel/strided"
)

// room is a pinned slot of a reach. Its fields are guarded by the reach.
type room struct {
	s     *slot
	taken bool // somebody copies to it or from it
	// The elements [lo,hi) of view are being packed into it, or have been, and are still
	// to be fetched, if lo < hi. base is the first of them.
	view         strided.View
	base, lo, hi int64
}

// holds is how many elements there is room for.
func (m *room) holds(view *deviceView) int64 { return int64(len(m.s.host)) / view.size }

// fill has the agent pack elements from lo on, as many of them as there is room for.
func (m *room) fill(d *deviceRun, v strided.View, view *deviceView, lo, hi int64) error {
	m.view, m.base, m.lo, m.hi = v, lo, lo, min(hi, lo+m.holds(view))
	return d.pack(view, m.lo, m.hi, m.s)
}

// begin makes rooms of the device's slots for an attempt.
func (r *reach) begin(d *deviceRun) {
	r.d, r.freed.L = d, &r.mu
	if r.rooms == nil {
		r.rooms = make([]room, 2*slotCount)
	}
	for i := range slotCount {
		r.rooms[2*i], r.rooms[2*i+1] = room{s: &d.g.in.slots[i]}, room{s: &d.g.out.slots[i]}
	}
}

// packing takes the room into which elements from lo on are being packed, because that
// was said ahead or from now on, and says at which byte they begin.
func (r *reach) packing(v strided.View, view *deviceView, lo, hi int64) (m *room, at int64, err error) {
	r.mu.Lock()
	for i := range r.rooms {
		if m := &r.rooms[i]; !m.taken && m.lo <= lo && lo < m.hi && m.view.Is(v) {
			m.taken = true
			if reached != nil {
				reached.early.Add(1)
			}
			r.mu.Unlock()
			return m, (lo - m.base) * view.size, nil
		}
	}
	r.mu.Unlock()
	if m, err = r.take(); err != nil {
		return nil, 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if reached != nil {
		reached.asked.Add(1)
	}
	if err = m.fill(r.d, v, view, lo, hi); err != nil {
		m.taken = false
		r.freed.Signal()
	}
	return m, 0, err
}

// take waits for a room that can be used: one with which the device is done or, if there
// is none, the one that it has been told about first. What was said ahead and not fetched
// gives way last.
func (r *reach) take() (*room, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var oldest *room
		for i := range r.rooms {
			m := &r.rooms[i]
			if m.taken {
				continue
			}
			if m.lo >= m.hi && (!m.s.pending || r.d.gate.run.Done(m.s.ticket)) {
				oldest = m
				break
			}
			if oldest == nil || m.before(oldest) {
				oldest = m
			}
		}
		if oldest == nil { // others have all of them, and leave them soon
			r.freed.Wait()
			continue
		}
		if oldest.s.pending {
			if err := r.d.gate.await(r.d.Stop, oldest.s.ticket); err != nil {
				r.freed.Signal() // the next one's turn to find out
				return nil, err
			}
		}
		oldest.taken, oldest.s.pending, oldest.hi = true, false, oldest.lo
		return oldest, nil
	}
}

// before reports whether m is to be used again before other.
func (m *room) before(other *room) bool {
	if early := m.lo < m.hi; early != (other.lo < other.hi) {
		return !early
	}
	return int32(m.s.ticket-other.s.ticket) < 0 // they wrap
}

// leave gives a room back after a last word about it.
func (r *reach) leave(m *room, last func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last()
	m.taken = false
	r.freed.Signal()
}
