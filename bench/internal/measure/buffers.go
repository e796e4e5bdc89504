package measure

import (
	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/memory"
	"github.com/monel-dev/monel/bench/internal/oracle"
	"github.com/monel-dev/monel/strided"
)

// Buffers are a rank's storage for the tensors of all its calls, one after the
// other. Each is as large as its largest tensor needs, allocated once.
type Buffers struct {
	dst, src buffer
	gpu      *GPU // nil if they are in host memory
}

// buffer is storage in host memory and, if the tensors are on a device, as much
// there, of which it is the image for filling and checking.
type buffer struct {
	host   []byte
	device *memory.Device
}

// Allocate returns buffers for the calls that rank of ranks is going to make, on gpu or,
// if that is nil, in host memory. Only what some call uses is allocated.
func Allocate(rank, ranks int, calls []Call, gpu *GPU) (*Buffers, error) {
	var dst, src int64
	for _, c := range calls {
		size := int64(c.DType.Size())
		ofDst, ofSrc := c.specs(rank, ranks)
		if ofDst != nil {
			dst = max(dst, ofDst.Storage*size)
		}
		if ofSrc != nil {
			src = max(src, ofSrc.Storage*size)
		}
	}
	b := &Buffers{gpu: gpu}
	var err error
	if dst > 0 {
		if b.dst, err = b.allocate(dst); err != nil {
			return nil, err
		}
	}
	if src > 0 {
		b.src, err = b.allocate(src)
	}
	return b, err
}

// NewBuffers returns buffers in host memory of so many bytes each, for calls that are
// not known yet.
func NewBuffers(bytes int64) (*Buffers, error) {
	b := &Buffers{}
	var err error
	if b.dst, err = b.allocate(bytes); err == nil {
		b.src, err = b.allocate(bytes)
	}
	return b, err
}

// specs are the tensors that rank has storage for: nil where it needs none of its own,
// because it has none or because it is part of the other one.
func (c Call) specs(rank, ranks int) (dst, src *layouts.Spec) {
	hasDst, hasSrc := c.uses(rank)
	ofDst, ofSrc := c.blocks(ranks)
	if c.InPlace && hasDst && hasSrc {
		hasDst, hasSrc = ofDst >= ofSrc, ofDst < ofSrc
	}
	spec := func(blocks int) *layouts.Spec {
		var s layouts.Spec
		if c.Collective.InBlocks() {
			s = layouts.Blocks(c.Layout, rank, c.PerRank(ranks), blocks)
		} else {
			s = layouts.New(c.Layout, rank, c.Count)
		}
		return &s
	}
	if hasDst {
		dst = spec(ofDst)
	}
	if hasSrc {
		src = spec(ofSrc)
	}
	return dst, src
}

func (b *Buffers) allocate(size int64) (buffer, error) {
	host, err := memory.Allocate(size)
	if err != nil || b.gpu == nil {
		return buffer{host: host}, err
	}
	device, err := memory.AllocateOn(b.gpu.Context, size)
	return buffer{host, device}, err
}

// pair is a rank's tensors in a call. One that it does not have is nil; so is one that
// is a block of the other, or all of it.
type pair struct {
	dst, src *tensor
	into     strided.Tensor // what the library gets
	from     strided.Tensor
}

// tensors places rank's tensors of a call in the buffers.
func (b *Buffers) tensors(c Call, rank, ranks int) pair {
	dst, src := c.specs(rank, ranks)
	var p pair
	if dst != nil {
		p.dst = place(c, *dst, rank, b.dst, 0)
		p.into = p.dst.view(c.DType)
	}
	if src != nil {
		p.src = place(c, *src, rank, b.src, 1)
		p.from = p.src.view(c.DType)
	}
	if !c.InPlace {
		return p
	}
	hasDst, hasSrc := c.uses(rank)
	ofDst, ofSrc := c.blocks(ranks)
	switch {
	case hasSrc && src == nil:
		p.from = part(p.into, rank, ofDst/ofSrc)
	case hasDst && dst == nil:
		p.into = part(p.from, rank, ofSrc/ofDst)
	}
	return p
}

// part is a rank's block of a tensor of so many.
func part(t strided.Tensor, rank, blocks int) strided.Tensor {
	if blocks == 1 {
		return t
	}
	rows := t.Shape()[0] / int64(blocks)
	return t.Slice(0, int64(rank)*rows, int64(rank+1)*rows)
}

// place tags every rank's every buffer differently, so that memory which was
// copied along with a tensor is told from memory that was left alone.
func place(c Call, spec layouts.Spec, rank int, b buffer, which uint64) *tensor {
	size := c.DType.Size()
	return &tensor{
		image:  memory.Tensor{Spec: spec, Size: size, Bytes: b.host[:spec.Storage*int64(size)], Tag: uint64(rank)<<1 | which},
		device: b.device,
	}
}

// tensor is a tensor of a call, wherever it is.
type tensor struct {
	image  memory.Tensor  // the tensor itself if it is in host memory
	device *memory.Device // else where it is
}

// fill writes values to the elements, and poison around and between them.
func (t *tensor) fill(values oracle.Contents, seed uint64) error {
	t.image.Fill(values, seed)
	if t.device == nil {
		return nil
	}
	return t.device.Write(t.image.Bytes)
}

// wrong counts what is not as fill left it, had it been given values. Fill the
// tensor again afterwards.
func (t *tensor) wrong(values oracle.Contents, seed uint64) (int64, error) {
	if t.device != nil {
		if err := t.device.Read(t.image.Bytes); err != nil {
			return 0, err
		}
	}
	return t.image.Wrong(values, seed), nil
}

// view is the tensor as the library under test takes it.
func (t *tensor) view(dt strided.DType) strided.Tensor {
	s := t.image.Spec
	if t.device == nil {
		return strided.FromBytes(dt, t.image.Bytes).AsStrided(s.Shape, s.Strides, s.Offset)
	}
	return strided.FromDevice(dt, t.device.Address(), int64(len(t.image.Bytes))).AsStrided(s.Shape, s.Strides, s.Offset)
}
