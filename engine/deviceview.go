package engine

import (
	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/kernels"
	"github.com/monel-dev/monel/strided"
)

// deviceView is a view of a device's tensor.
type deviceView struct {
	kernels.View
	size int64 // bytes of an element
	// halves is the view itself if its walk is one of halves, which no kernel
	// knows; they get its parts.
	halves *strided.View
}

func viewOnDevice(v strided.View) deviceView {
	if v.InHalves() {
		whole := v
		return deviceView{View: kernels.View{DType: v.DType(), Count: v.Count()}, size: int64(v.DType().Size()), halves: &whole}
	}
	size, stride := v.Dims()
	return deviceView{
		View: kernels.View{Base: cudaffi.DevicePtr(v.Address()), DType: v.DType(), Count: v.Count(), Size: size, Stride: stride},
		size: int64(v.DType().Size()),
	}
}

// part is strided.View.Part.
func (v *deviceView) part(lo, hi int64) (part *deviceView, from, n int64) {
	if v.halves == nil {
		return v, lo, hi - lo
	}
	half, from, n := v.halves.Part(lo, hi)
	p := viewOnDevice(half)
	return &p, from, n
}

// bytes is how many bytes n elements are.
func (v *deviceView) bytes(n int64) cudaffi.DevicePtr { return cudaffi.DevicePtr(n * v.size) }
