package agree

// past is a call that a rank has finished.
type past struct {
	seq     uint64
	call    Call
	sig     uint64 // of this call and all before it; 0 if it failed
	invalid string // why its arguments were refused, or ""
}

// history remembers the latest finished calls, so that a rank which has run
// ahead in a one-way collective can still say what it had called.
type history struct {
	ring [64]past
	used [64]bool
}

func (h *history) add(seq uint64, call *Call, sig uint64, invalid string) {
	h.put(seq, call, sig, invalid)
	if n := call.numbers(); n > 1 { // from where before finds it
		h.put(seq+n-1, call, sig, invalid)
	}
}

func (h *history) put(seq uint64, call *Call, sig uint64, invalid string) {
	i := seq % uint64(len(h.ring))
	p := &h.ring[i]
	p.seq, p.sig = seq, sig
	if p.invalid != invalid { // which is cheaper to find out than to write
		p.invalid = invalid
	}
	p.call.set(call)
	h.used[i] = true
}

func (h *history) find(seq uint64) (past, bool) {
	i := seq % uint64(len(h.ring))
	return h.ring[i], h.used[i] && h.ring[i].seq == seq
}

// told is how many earlier calls a rank lists when it is polled.
const told = 8

// before lists the calls before seq, latest first, back to the latest that
// failed: about that one the ranks have been told already.
func (h *history) before(seq uint64) (list []past) {
	for len(list) < told && seq > 0 {
		p, ok := h.find(seq - 1)
		if !ok || p.sig == 0 || p.call.numbers() > seq {
			break
		}
		seq -= p.call.numbers()
		p.seq = seq
		list = append(list, p)
	}
	return list
}
