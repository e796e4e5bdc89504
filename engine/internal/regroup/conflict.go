package regroup

import (
	"slices"

	"github.com/monel-dev/monel/engine/internal/agree"
)

// call is what one or several ranks call that are here.
type call struct {
	text    string
	members []int // whom they wait for
	here    []int
	stuck   bool
}

// conflict returns those of the calls whose ranks wait for each other in vain: calls
// that differ, of which each waits for a rank that is in another one, in a circle; and
// those that wait for a rank in such a circle. That a call waits for a rank which is
// still in another is no conflict yet: the other may be an earlier one, about to end.
func conflict(visits []*Visit, m *Meeting) (stuck []call, others []Proposal) {
	if same(visits, m) {
		return nil, nil
	}
	calls := gather(visits, m)
	waits := func(a, b *call) bool {
		return a != b && slices.ContainsFunc(a.members, func(rank int) bool { return slices.Contains(b.here, rank) })
	}
	// Whoever waits for nobody here is not stuck; nor is whoever waits only for such.
	// What is left waits in a circle, or for one.
	for i := range calls {
		calls[i].stuck = true
	}
	for changed := true; changed; {
		changed = false
		for i := range calls {
			a := &calls[i]
			free := !slices.ContainsFunc(ptrs(calls), func(b *call) bool { return b.stuck && waits(a, b) })
			if a.stuck && free {
				a.stuck, changed = false, true
			}
		}
	}
	if m != nil && !calls[0].stuck {
		// The leader's meeting may go on. If the others block each other, that is for
		// the one that they wait for to find out, or for this rank once it does not lead.
		return nil, nil
	}
	for _, c := range calls {
		if c.stuck {
			stuck = append(stuck, c)
		}
	}
	for _, v := range visits {
		if m == nil || v.proposal.Call != m.Call {
			others = append(others, v.proposal)
		}
	}
	return stuck, others
}

// same reports whether all call the same, as they nearly always do.
func same(visits []*Visit, m *Meeting) bool {
	for i, v := range visits {
		if i > 0 && v.proposal.Call != visits[0].proposal.Call || m != nil && v.proposal.Call != m.Call {
			return false
		}
	}
	return true
}

func ptrs(calls []call) []*call {
	list := make([]*call, len(calls))
	for i := range calls {
		list[i] = &calls[i]
	}
	return list
}

// gather lists the calls of visitors; that of a meeting comes first.
func gather(visits []*Visit, m *Meeting) (calls []call) {
	if m != nil {
		calls = append(calls, call{text: m.Call, members: m.Members, here: m.Members[:1:1]})
	}
	for _, v := range visits {
		i := slices.IndexFunc(calls, func(c call) bool { return c.text == v.proposal.Call })
		if i < 0 {
			i = len(calls)
			calls = append(calls, call{text: v.proposal.Call, members: v.proposal.Members})
		}
		if !slices.Contains(calls[i].here, v.from) {
			calls[i].here = append(calls[i].here, v.from)
		}
	}
	return calls
}

// mismatch is the error for calls that are stuck.
func mismatch(seq uint64, broken bool, stuck []call) error {
	groups := make([]agree.Group, len(stuck))
	for i, c := range stuck {
		groups[i] = agree.Group{Ranks: slices.Sorted(slices.Values(c.here)), Call: c.text}
	}
	return agree.NewMismatch(seq, broken, groups)
}
