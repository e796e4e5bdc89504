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

// Allocate returns buffers for the calls that rank is going to make, on gpu or,
// if that is nil, in host memory. The source is allocated only if some call is
// not in place.
func Allocate(rank int, calls []Call, gpu *GPU) (*Buffers, error) {
	var dst, src int64
	for _, c := range calls {
		bytes := layouts.New(c.Layout, rank, c.Count).Storage * int64(c.DType.Size())
		dst = max(dst, bytes)
		if !c.InPlace {
			src = max(src, bytes)
		}
	}
	b := &Buffers{gpu: gpu}
	var err error
	if b.dst, err = b.allocate(dst); err != nil {
		return nil, err
	}
	if src > 0 {
		b.src, err = b.allocate(src)
	}
	return b, err
}

func (b *Buffers) allocate(size int64) (buffer, error) {
	host, err := memory.Allocate(size)
	if err != nil || b.gpu == nil {
		return buffer{host: host}, err
	}
	device, err := memory.AllocateOn(b.gpu.Context, size)
	return buffer{host, device}, err
}

// tensors places rank's tensors of a call in the buffers; for a call in place
// both are the same one.
func (b *Buffers) tensors(c Call, rank int) (dst, src tensor) {
	dst = place(c, rank, b.dst, 0)
	if c.InPlace {
		return dst, dst
	}
	return dst, place(c, rank, b.src, 1)
}

// place tags every rank's every buffer differently, so that memory which was
// copied along with a tensor is told from memory that was left alone.
func place(c Call, rank int, b buffer, which uint64) tensor {
	spec := layouts.New(c.Layout, rank, c.Count)
	size := c.DType.Size()
	return tensor{
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
func (t tensor) fill(values *oracle.Table, seed uint64) error {
	t.image.Fill(values, seed)
	if t.device == nil {
		return nil
	}
	return t.device.Write(t.image.Bytes)
}

// wrong counts what is not as fill left it, had it been given values. Fill the
// tensor again afterwards.
func (t tensor) wrong(values *oracle.Table, seed uint64) (int64, error) {
	if t.device != nil {
		if err := t.device.Read(t.image.Bytes); err != nil {
			return 0, err
		}
	}
	return t.image.Wrong(values, seed), nil
}

// view is the tensor as the library under test takes it.
func (t tensor) view(dt strided.DType) strided.Tensor {
	s := t.image.Spec
	if t.device == nil {
		return strided.FromBytes(dt, t.image.Bytes).AsStrided(s.Shape, s.Strides, s.Offset)
	}
	return strided.FromDevice(dt, t.device.Address(), int64(len(t.image.Bytes))).AsStrided(s.Shape, s.Strides, s.Offset)
}
