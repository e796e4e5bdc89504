package cudakernels

import (
	"errors"

	"github.com/monel-dev/monel/cudaffi"
	gpu "github.com/monel-dev/monel/cudaffi/kernels"
)

// arena is memory that one case after the other uses.
type arena struct {
	at    cudaffi.DevicePtr
	bytes int64
	host  *cudaffi.Pinned // if it is the host's
}

const (
	tensorArena = iota
	inArena
	outArena
	arenaCount
)

// Bench has a GPU and memory to measure in. It is for one goroutine at a time.
type Bench struct {
	ctx        *cudaffi.Context
	kernels    *gpu.Set
	stream     cudaffi.Stream
	start, end cudaffi.Event
	arenas     map[Slots]*[arenaCount]arena
	host       [arenaCount][]byte // to fill and to check
}

// Open loads the kernels on a GPU. The caller must Close what it returns.
func Open(driver *cudaffi.Driver, device int) (*Bench, error) {
	ctx, err := driver.Primary(device)
	if err != nil {
		return nil, err
	}
	b := &Bench{ctx: ctx, arenas: map[Slots]*[arenaCount]arena{Device: {}, Pinned: {}}}
	if err := b.prepare(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *Bench) prepare() (err error) {
	if b.kernels, err = gpu.Load(b.ctx); err != nil {
		return err
	}
	if b.stream, err = b.ctx.NewStream(cudaffi.PriorityDefault); err != nil {
		return err
	}
	if b.start, err = b.ctx.NewTimer(); err != nil {
		return err
	}
	b.end, err = b.ctx.NewTimer()
	return err
}

// GPU is the device.
func (b *Bench) GPU() cudaffi.Device { return b.ctx.Device() }

// Close gives everything back.
func (b *Bench) Close() error {
	var all []error
	for _, arenas := range b.arenas {
		for k := range arenas {
			all = append(all, b.free(&arenas[k]))
		}
	}
	for _, e := range []cudaffi.Event{b.start, b.end} {
		if e != (cudaffi.Event{}) {
			all = append(all, e.Destroy())
		}
	}
	if b.stream != (cudaffi.Stream{}) {
		all = append(all, b.stream.Destroy())
	}
	if b.kernels != nil {
		all = append(all, b.kernels.Unload())
	}
	return errors.Join(append(all, b.ctx.Release())...)
}

func (b *Bench) free(a *arena) (err error) {
	switch {
	case a.host != nil:
		err = a.host.Free()
	case a.at != 0:
		err = b.ctx.Free(a.at)
	}
	*a = arena{}
	return err
}

// filler is the bytes that measurements begin with: small numbers in all types.
const filler = 0x35

// arena is memory k for slots of that kind. Tensors are always on the device.
func (b *Bench) arena(k int, slots Slots) *arena {
	if k == tensorArena {
		slots = Device
	}
	return &b.arenas[slots][k]
}

// room is where n bytes of an arena are.
func (b *Bench) room(k int, slots Slots, n int64) (cudaffi.DevicePtr, error) {
	a := b.arena(k, slots)
	if a.bytes >= n {
		return a.at, nil
	}
	if err := b.free(a); err != nil {
		return 0, err
	}
	fresh := arena{bytes: n}
	var err error
	if slots == Pinned && k != tensorArena {
		if fresh.host, err = b.ctx.AllocPinned(int(n)); err != nil {
			return 0, err
		}
		*a = fresh
		a.at = a.host.Device()
		for i := range a.host.Bytes() {
			a.host.Bytes()[i] = filler
		}
		return a.at, nil
	}
	if fresh.at, err = b.ctx.Alloc(n); err != nil {
		return 0, err
	}
	*a = fresh
	return a.at, errors.Join(b.ctx.Memset(a.at, filler, n, b.stream), b.stream.Sync())
}

// write copies bytes to the beginning of an arena, and returns when they are there.
func (b *Bench) write(k int, slots Slots, bytes []byte) error {
	a := b.arena(k, slots)
	if a.host != nil {
		copy(a.host.Bytes(), bytes)
		return nil
	}
	// The copy itself returns when bytes may be changed, which can be earlier.
	return errors.Join(b.ctx.CopyFromHost(a.at, bytes), b.ctx.StreamOf(cudaffi.StreamLegacy).Sync())
}

// read copies the beginning of an arena, to which no work is writing.
func (b *Bench) read(k int, slots Slots, bytes []byte) error {
	a := b.arena(k, slots)
	if a.host != nil {
		copy(bytes, a.host.Bytes())
		return nil
	}
	return b.ctx.CopyToHost(bytes, a.at)
}
