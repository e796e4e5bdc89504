package agree

import "github.com/monel-dev/monel/strided"

// maxRemembered bounds how many signatures are known to need a common order.
// All ranks add to the list in the same order and drop the oldest, so that
// they always agree on what it holds.
const maxRemembered = 1024

// common is the order in which all ranks walk in the calls of one signature.
type common struct {
	walk  strided.Walk
	mine  strided.Walk // how this rank would have walked when that was settled
	fixed bool         // in whatever layouts the call comes
}

// commonWalk is the order for a call which this rank would walk as mine. A rank
// whose layout is another than when the order was settled has no part in that:
// maybe all ranks have, and walk alike now. If not, they will differ once more, and
// then the signature has one order for good.
func (m *Member) commonWalk(sig uint64, mine strided.Walk) strided.Walk {
	if len(m.common) == 0 {
		return mine
	}
	if c, ok := m.common[sig]; ok && (c.fixed || c.mine == mine) {
		return c.walk
	}
	return mine
}

// rememberWalk notes the order that was settled for the call in progress.
func (m *Member) rememberWalk(walk strided.Walk) {
	sig := m.call.Sig
	_, again := m.common[sig]
	if !again {
		if len(m.remember) == maxRemembered {
			delete(m.common, m.remember[0])
			m.remember = m.remember[1:]
		}
		m.remember = append(m.remember, sig)
	}
	m.common[sig] = common{walk: walk, mine: m.walk, fixed: again || walk == strided.Logical}
}

// commonWalk is the order that all ranks follow after they have walked
// differently: in two orders by halves, so that each has some of its elements in
// sequence; in more, or if their layouts change from call to call, logically. It
// is for all_reduce, where a call's shape is that of what is walked.
func (s *settlement) commonWalk(chunk int64) strided.Walk {
	first := &s.states[0]
	if first.call.parts > 0 {
		return OneByOne
	}
	other := first.walk
	for i := range s.states {
		st := &s.states[i]
		switch {
		case st.again:
			return strided.Logical
		case st.walk == first.walk || st.walk == other:
		case other != first.walk:
			return strided.Logical // the third
		default:
			other = st.walk
		}
	}
	call := &first.call
	if call.Kind != AllReduce || int(call.ndim) > maxDescribedDims || !call.DType.Valid() {
		return strided.Logical
	}
	return strided.Halves(call.described(), first.walk, other, chunk/int64(call.DType.Size()))
}
