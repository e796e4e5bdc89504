package agree

import (
	"cmp"
	"slices"
)

// NewMismatch returns the error for ranks that have made different calls outside of
// the sequence of operations: each group's Ranks and Call say who called what. seq is
// the operation that would have been next, and broken says whether the communicator is
// unusable.
func NewMismatch(seq uint64, broken bool, groups []Group) error {
	for i := range groups {
		groups[i].status = statusInOp
	}
	slices.SortStableFunc(groups, func(a, b Group) int { return cmp.Compare(len(a.Ranks), len(b.Ranks)) })
	return (&MismatchError{Seq: seq, Groups: groups, Broken: broken, Err: ErrMismatch}).asRankError()
}
