package agree

// history remembers the latest finished calls, so that a rank which has run
// ahead in a one-way collective can still say what it had called.
type history struct {
	ring [64]struct {
		seq     uint64
		call    Call
		invalid string
		used    bool
	}
}

func (h *history) add(seq uint64, call *Call, invalid string) {
	e := &h.ring[seq%uint64(len(h.ring))]
	e.seq, e.call, e.invalid, e.used = seq, *call, invalid, true
}

func (h *history) find(seq uint64) (call Call, invalid string, ok bool) {
	e := &h.ring[seq%uint64(len(h.ring))]
	return e.call, e.invalid, e.used && e.seq == seq
}
