package measure

import (
	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/memory"
	"github.com/monel-dev/monel/strided"
)

// Buffers are a rank's storage for the tensors of all its calls, one after the
// other. Each is as large as its largest tensor needs, allocated once.
type Buffers struct {
	dst, src []byte
}

// Allocate returns buffers for the calls that rank is going to make. The source
// is allocated only if some call is not in place.
func Allocate(rank int, calls []Call) (*Buffers, error) {
	var dst, src int64
	for _, c := range calls {
		bytes := layouts.New(c.Layout, rank, c.Count).Storage * int64(c.DType.Size())
		dst = max(dst, bytes)
		if !c.InPlace {
			src = max(src, bytes)
		}
	}
	b := new(Buffers)
	var err error
	if b.dst, err = memory.Allocate(dst); err != nil {
		return nil, err
	}
	if src > 0 {
		b.src, err = memory.Allocate(src)
	}
	return b, err
}

// tensors places rank's tensors of a call in the buffers; for a call in place
// both are the same one.
func (b *Buffers) tensors(c Call, rank int) (dst, src memory.Tensor) {
	dst = place(c, rank, b.dst, 0)
	if c.InPlace {
		return dst, dst
	}
	return dst, place(c, rank, b.src, 1)
}

// place tags every rank's every buffer differently, so that memory which was
// copied along with a tensor is told from memory that was left alone.
func place(c Call, rank int, buffer []byte, which uint64) memory.Tensor {
	spec := layouts.New(c.Layout, rank, c.Count)
	size := c.DType.Size()
	return memory.Tensor{Spec: spec, Size: size, Bytes: buffer[:spec.Storage*int64(size)], Tag: uint64(rank)<<1 | which}
}

// view is the tensor as the library under test takes it.
func view(dt strided.DType, t memory.Tensor) strided.Tensor {
	return strided.FromBytes(dt, t.Bytes).AsStrided(t.Spec.Shape, t.Spec.Strides, t.Spec.Offset)
}
