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
}

func viewOnDevice(v strided.View) deviceView {
	size, stride := v.Dims()
	return deviceView{
		View: kernels.View{Base: cudaffi.DevicePtr(v.Address()), DType: v.DType(), Count: v.Count(), Size: size, Stride: stride},
		size: int64(v.DType().Size()),
	}
}
