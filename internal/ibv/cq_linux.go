//go:build (amd64 || arm64) && !nocuda

package ibv

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"syscall"
	"unsafe"

	"github.com/ebitengine/purego"
	"golang.org/x/sys/unix"
)

// batch is how many completions one call fetches at most.
const batch = 16

// CQ is a completion queue with a channel that tells of completions. It is used
// by one goroutine at a time.
type CQ struct {
	device          *Device
	handle, channel uintptr
	fd              int

	memory     []byte
	wcs        []WC
	poll, arm  *call
	event, ack []uintptr // the functions, and their arguments
}

// NewCQ makes a completion queue with room for so many completions.
func (d *Device) NewCQ(entries int) (*CQ, error) {
	q := &CQ{device: d}
	if err := q.open(entries); err != nil {
		return nil, errors.Join(err, q.Destroy())
	}
	return q, nil
}

func (q *CQ) open(entries int) (err error) {
	d, l := q.device, q.device.lib
	l.mu.Lock()
	defer l.mu.Unlock()
	if q.channel, err = l.make(d.Name, ibvCreateCompChannel, d.context); err != nil {
		return err
	}
	q.fd = int(*at[int32](q.channel, channelFD))
	if err := unix.SetNonblock(q.fd, true); err != nil {
		return err
	}
	if q.handle, err = l.make(d.Name, ibvCreateCQ, d.context, uintptr(entries), 0, q.channel, 0); err != nil {
		return err
	}
	size := batch * int(unsafe.Sizeof(WC{}))
	if q.memory, err = Allocate(size + 16); err != nil {
		return err
	}
	first := unsafe.Pointer(unsafe.SliceData(q.memory))
	q.wcs = unsafe.Slice((*WC)(first), batch)
	out := uintptr(first) + uintptr(size)
	q.poll = &call{fn: *at[uintptr](d.context, contextPollCQ), args: [3]uintptr{q.handle, batch, uintptr(first)}}
	q.arm = &call{fn: *at[uintptr](d.context, contextReqNotifyCQ), args: [3]uintptr{q.handle, wakeOnAnything}}
	q.event = []uintptr{l.fn[ibvGetCQEvent], q.channel, out, out + 8}
	q.ack = []uintptr{l.fn[ibvAckCQEvents], q.handle, 1}
	return nil
}

// Poll returns the completions that are there, at most 16, without waiting. They
// are valid until the next call.
func (q *CQ) Poll() ([]WC, error) {
	n := int(q.poll.do())
	if n < 0 {
		return nil, &Error{Call: "ibv_poll_cq", Device: q.device.Name, Errno: syscall.EIO}
	}
	return q.wcs[:n], nil
}

// Arm makes the next completion one that FD becomes readable with. One that came
// before may not: poll once more after it.
func (q *CQ) Arm() error {
	if r := q.arm.do(); r != 0 {
		return &Error{Call: "ibv_req_notify_cq", Device: q.device.Name, Errno: syscall.Errno(r)}
	}
	return nil
}

// FD is the descriptor of the channel, for poll(2).
func (q *CQ) FD() int { return q.fd }

// Clear makes FD unreadable again.
func (q *CQ) Clear() {
	for {
		if r, _, _ := purego.SyscallN(q.event[0], q.event[1:]...); int32(r) != 0 {
			return
		}
		purego.SyscallN(q.ack[0], q.ack[1:]...)
	}
}

// Destroy destroys the queue, which no queue pair uses any more.
func (q *CQ) Destroy() error {
	l := q.device.lib
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	if q.handle != 0 {
		errs = append(errs, l.do(q.device.Name, ibvDestroyCQ, q.handle))
		q.handle = 0
	}
	if q.channel != 0 {
		errs = append(errs, l.do(q.device.Name, ibvDestroyCompChannel, q.channel))
		q.channel = 0
	}
	Free(q.memory)
	q.memory = nil
	return errors.Join(errs...)
}

// Imm is the number that came with a message, if one did.
func (w *WC) Imm() (uint32, bool) {
	return bigEndian(w.imm), w.flags&wcWithImm != 0
}

var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// bigEndian converts between this machine's order of bytes and the network's.
func bigEndian(v uint32) uint32 {
	if littleEndian {
		return bits.ReverseBytes32(v)
	}
	return v
}
