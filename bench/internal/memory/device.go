package memory

import (
	"errors"
	"fmt"

	"github.com/monel-dev/monel/cudaffi"
)

// Device is memory of a GPU. Storage is filled and checked on the host, and
// copied whole, gaps and guards with the elements.
type Device struct {
	ctx *cudaffi.Context
	at  cudaffi.DevicePtr
}

// AllocateOn returns size bytes of a device's memory. As with Allocate, they are
// never given back.
func AllocateOn(ctx *cudaffi.Context, size int64) (*Device, error) {
	p, err := ctx.Alloc(max(size, 1))
	if err != nil {
		return nil, fmt.Errorf("allocating %d bytes of %s for a tensor: %w", size, ctx.Device().Name, err)
	}
	return &Device{ctx, p}, nil
}

// Address is where the memory begins on the device.
func (d *Device) Address() uint64 { return uint64(d.at) }

// Write copies b to the beginning, and returns when it is there.
func (d *Device) Write(b []byte) error {
	// The copy itself returns when b may be changed, which can be earlier.
	return errors.Join(d.ctx.CopyFromHost(d.at, b), d.ctx.StreamOf(cudaffi.StreamLegacy).Sync())
}

// Read copies the beginning to b. Work of streams that may write there must have
// ended.
func (d *Device) Read(b []byte) error { return d.ctx.CopyToHost(b, d.at) }
