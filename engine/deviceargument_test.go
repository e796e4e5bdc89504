package engine_test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// TestDeviceArguments: what a rank refuses, the others hear of, and the
// communicator goes on.
func TestDeviceArguments(t *testing.T) {
	d := onDevices(t)
	w := localWorld(d, 2, d.config())
	u := d.newUser(0, 8, 1)
	host := strided.Of(make([]int32, 8))
	pinned := u.pinned
	cases := map[string]struct {
		argument string
		call     func() error
	}{
		"host memory as a device's": {"dst", func() error {
			b := make([]int32, 8)
			x := strided.FromDevice(dtype.Int32, uint64(uintptr(unsafe.Pointer(&b[0]))), 32)
			return w[0].AllReduce(background, x, x, engine.Sum)
		}},
		"pinned memory as a device's": {"src", func() error {
			x := strided.FromDevice(dtype.Int32, uint64(pinned.Device()), 32)
			return w[0].AllReduce(background, u.x, x, engine.Sum)
		}},
		"from host to device": {"dst", func() error { return w[0].AllReduce(background, u.x, host, engine.Sum) }},
		"from device to host": {"dst", func() error { return w[0].AllReduce(background, host, u.x, engine.Sum) }},
		"overlap": {"dst", func() error {
			return w[0].AllReduce(background, u.x.Slice(0, 0, 4), u.x.Slice(0, 1, 5), engine.Sum)
		}},
		"expanded": {"dst", func() error {
			x := u.x.Slice(0, 0, 1).Expand(8)
			return w[0].AllReduce(background, x, x, engine.Sum)
		}},
	}
	if len(d.ctx) > 1 {
		v := d.newUser(1, 8, 1)
		cases["two devices"] = struct {
			argument string
			call     func() error
		}{"src", func() error { return w[0].AllReduce(background, u.x, v.x, engine.Sum) }}
		cases["another device's stream"] = struct {
			argument string
			call     func() error
		}{"stream", func() error {
			_, err := w[0].StartAllReduce(background, u.x, u.x, engine.Sum, engine.OnStream(v.stream))
			return err
		}}
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			errs := w.each(t, func(rank int, c *engine.Comm) error {
				if rank == 0 {
					return k.call()
				}
				return c.AllReduce(background, host, host, engine.Sum)
			})
			var argument *engine.ArgumentError
			require.ErrorAs(t, errs[0], &argument)
			require.Equal(t, k.argument, argument.Argument)
			require.ErrorIs(t, errs[0], engine.ErrInvalidArgument)
			require.ErrorIs(t, errs[1], engine.ErrMismatch)
			require.ErrorContains(t, errs[1], "rank 0 passed invalid arguments")
		})
	}
	w.must(t, func(rank int, c *engine.Comm) error {
		return reduceInPlace(c, layoutNamed("steps").place(forRank(d, rank), dtype.Float32, []int64{9, 9}), engine.Sum)
	})
}

// TestEmptyOnDevice: a tensor without elements needs no device, and no stream.
func TestEmptyOnDevice(t *testing.T) {
	w := localWorld(t, 2, engine.Config{})
	w.must(t, func(rank int, c *engine.Comm) error {
		x := strided.FromDevice(dtype.Float32, 0, 0).Reshape(0, 3)
		if err := c.AllReduce(background, x, x, engine.Sum); err != nil {
			return err
		}
		work, err := c.StartBroadcast(background, x, x, 1, engine.OnStream(cudaffi.Stream{}))
		if err != nil {
			return err
		}
		return work.Wait(background)
	})
}
