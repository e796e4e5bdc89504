package engine_test

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// user is a program's own use of a device: a stream, a tensor of int32 on the device
// and pinned memory to copy from and to.
type user struct {
	t      testing.TB
	ctx    *cudaffi.Context
	stream cudaffi.Stream
	x      strided.Tensor // every other element of at
	at     cudaffi.DevicePtr
	bytes  int64
	pinned *cudaffi.Pinned // one word for a gate, then room for copies
	used   int
}

// newUser is of rank's device. room is how many copies of the tensor there will be.
func (d *onDevice) newUser(rank, elements, room int) *user {
	ctx := d.ctx[rank%len(d.ctx)]
	u := &user{t: d, ctx: ctx, bytes: int64(2*elements) * 4, used: 4096}
	u.must(func() (err error) { u.stream, err = ctx.NewStream(cudaffi.PriorityDefault); return })
	u.must(func() (err error) { u.at, err = ctx.Alloc(u.bytes); return })
	u.must(func() (err error) { u.pinned, err = ctx.AllocPinned(4096 + room*int(u.bytes)); return })
	clear(u.pinned.Bytes())
	d.Cleanup(func() {
		u.must(u.stream.Sync)
		u.must(u.stream.Destroy)
		u.must(func() error { return ctx.Free(u.at) })
		u.must(u.pinned.Free)
	})
	u.x = strided.FromDevice(dtype.Int32, uint64(u.at), u.bytes).Step(0, 2)
	return u
}

func (u *user) must(f func() error) {
	if err := f(); err != nil {
		u.t.Errorf("test's own call of the driver: %v", err)
	}
}

// room is pinned memory for one copy.
func (u *user) room() ([]byte, cudaffi.DevicePtr) {
	at := u.used
	u.used += int(u.bytes)
	return u.pinned.Bytes()[at:u.used], u.pinned.Device() + cudaffi.DevicePtr(at)
}

// write puts on the stream that all elements become v.
func (u *user) write(v int32) {
	b, at := u.room()
	for i := 0; i < len(b); i += 4 {
		binary.LittleEndian.PutUint32(b[i:], uint32(v))
	}
	u.must(func() error { return u.ctx.Copy(u.at, at, u.bytes, u.stream) })
}

// read puts on the stream that the tensor is looked at. What it returns checks that
// the elements were want and those between them gap, once the stream is done.
func (u *user) read() func(want, gap int32) error {
	b, at := u.room()
	u.must(func() error { return u.ctx.Copy(at, u.at, u.bytes, u.stream) })
	return func(want, gap int32) error {
		for i := 0; i < len(b); i += 4 {
			expected := want
			if i%8 == 4 {
				expected = gap
			}
			if got := int32(binary.LittleEndian.Uint32(b[i:])); got != expected {
				return fmt.Errorf("number %d is %d, want %d", i/4, got, expected)
			}
		}
		return nil
	}
}

// close puts a gate on the stream, which stays closed until open.
func (u *user) close() {
	u.must(func() error { return u.stream.Wait32(u.pinned.Device(), 1) })
}

func (u *user) open() {
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&u.pinned.Bytes()[0])), 1)
}

// use has all ranks of a world make what they need of their devices, and makes a
// user for each, before anything waits on a stream.
func (d *onDevice) use(w world, elements, room int) []*user {
	users := make([]*user, len(w))
	for rank, c := range w {
		users[rank] = d.newUser(rank, elements, room)
		require.NoError(d, c.UseDevice(users[rank].ctx.Device().Ordinal))
	}
	return users
}
