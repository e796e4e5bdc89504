package measure

import (
	"context"

	"github.com/monel-dev/monel/strided"
)

// Result makes a call on elements that the caller says, and returns this rank's result,
// packed in logical order: nothing on a rank that gets none. element is element i of what
// a rank gives, in bytes. All tensors are in host memory.
func (r *Runner) Result(ctx context.Context, c Call, element func(rank int, i int64) []byte) ([]byte, error) {
	rank := r.Comm.Rank()
	p := r.Buffers.tensors(c, rank, r.Comm.Size())
	hasDst, hasSrc := c.uses(rank)
	if hasSrc {
		var given []byte
		for i := range p.from.Count() {
			given = append(given, element(rank, i)...)
		}
		view, err := p.from.View(strided.Logical)
		if err != nil {
			return nil, err
		}
		view.Unpack(given, 0, view.Count())
	}
	if err := c.do(ctx, r.Comm, p.into, p.from); err != nil || !hasDst {
		return nil, err
	}
	view, err := p.into.View(strided.Logical)
	if err != nil {
		return nil, err
	}
	got := make([]byte, p.into.Count()*int64(c.DType.Size()))
	view.Pack(got, 0, view.Count())
	return got, nil
}
