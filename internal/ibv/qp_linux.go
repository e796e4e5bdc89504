//go:build (amd64 || arm64) && !nocuda

package ibv

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"
)

// QP is a reliable connected queue pair. It is used by one goroutine at a time,
// but for Fail.
type QP struct {
	Number uint32
	Inline int // bytes that Write and Send copy at once, so that their memory is free

	device *Device
	handle uintptr

	memory   []byte
	wr       *sendWR
	list     []sge
	receives uintptr // address of batched receive requests, each linked to the next
	send     *call
	recv     *call
}

// maxPieces is how many pieces of memory a request of ours has at most.
const maxPieces = 16

// QPConfig says how large a queue pair is.
type QPConfig struct {
	Sends, Receives int    // requests under way
	Inline          int    // wanted; a device may give less
	ID              uint64 // of receive requests
}

// NewQP makes a queue pair whose completions go to the queue.
func (d *Device) NewQP(q *CQ, cfg QPConfig) (*QP, error) {
	p := &QP{device: d}
	if err := p.open(q, cfg); err != nil {
		return nil, errors.Join(err, p.Destroy())
	}
	return p, nil
}

func (p *QP) open(q *CQ, cfg QPConfig) (err error) {
	d, l := p.device, p.device.lib
	l.mu.Lock()
	defer l.mu.Unlock()
	for inline := cfg.Inline; ; inline /= 2 {
		a := zeroed[qpInitAttr](l)
		a.sendCQ, a.recvCQ, a.qpType = q.handle, q.handle, qpTypeRC
		a.cap = qpCap{
			maxSendWR: uint32(cfg.Sends), maxRecvWR: uint32(cfg.Receives),
			maxSendSGE: uint32(min(maxPieces, d.maxSGE)), maxRecvSGE: 1, maxInline: uint32(inline),
		}
		if p.handle, err = l.make(d.Name, ibvCreateQP, d.pd, l.here()); err == nil {
			p.Inline = int(a.cap.maxInline)
			break
		}
		if inline == 0 || !errors.Is(err, syscall.EINVAL) {
			return err
		}
	}
	p.Number = *at[uint32](p.handle, qpNumber)
	if p.memory, err = Allocate(4096); err != nil {
		return err
	}
	first := unsafe.Pointer(unsafe.SliceData(p.memory))
	const listAt, recvAt, badAt = 256, 1024, 3840
	p.wr = (*sendWR)(first)
	p.list = unsafe.Slice((*sge)(unsafe.Add(first, listAt)), min(maxPieces, d.maxSGE))
	p.wr.list = uintptr(first) + listAt
	p.receives = uintptr(first) + recvAt
	requests := unsafe.Slice((*recvWR)(unsafe.Add(first, recvAt)), MaxReceives)
	for i := range requests {
		requests[i].id = cfg.ID
		if i+1 < len(requests) {
			requests[i].next = p.receives + uintptr(i+1)*unsafe.Sizeof(recvWR{})
		}
	}
	p.send = &call{fn: *at[uintptr](d.context, contextPostSend), args: [3]uintptr{p.handle, uintptr(first), uintptr(first) + badAt}}
	p.recv = &call{fn: *at[uintptr](d.context, contextPostRecv), args: [3]uintptr{p.handle, 0, uintptr(first) + badAt}}
	return nil
}

// Init makes a new queue pair able to be posted receives, on a port.
func (p *QP) Init(port int) error {
	return p.modify(attrState|attrPKeyIndex|attrPort|attrAccessFlags, func(a *qpAttr) {
		a.state, a.portNum, a.access = stateInit, uint8(port), accessLocalWrite|accessRemoteWrite
	})
}

// Path is the way to the queue pair at the other end, and how it is used.
type Path struct {
	Port         int // of this side
	GIDIndex     int // of this side
	Global       bool
	GID          [16]byte // of the other side
	LID          uint16   // of the other side
	QPN          uint32   // of the other side
	PSN          uint32   // with which the other side begins
	MTU          int      // the smaller of both
	TrafficClass int
	ServiceLevel int
}

// Receive makes an initialised queue pair able to receive.
func (p *QP) Receive(path Path) error {
	return p.modify(attrState|attrAV|attrPathMTU|attrDestQPN|attrRQPSN|attrMaxDestRdAtomic|attrMinRNRTimer, func(a *qpAttr) {
		a.state, a.pathMTU, a.destQPNum, a.rqPSN = stateRTR, uint32(path.MTU), path.QPN, path.PSN
		a.maxDestRdAtomic, a.minRNRTimer = 1, minRNRTimerTo10
		a.ah = ahAttr{dlid: path.LID, sl: uint8(path.ServiceLevel), portNum: uint8(path.Port)}
		if path.Global {
			a.ah.isGlobal = 1
			a.ah.grh = globalRoute{dgid: path.GID, sgidIndex: uint8(path.GIDIndex), hopLimit: 64, trafficClass: uint8(path.TrafficClass)}
		}
	})
}

// Send makes a queue pair that can receive able to send as well. Timeout is the
// exponent of the time after which a message is sent again, 4.096 µs times 2 to
// its power, and retries is how often.
func (p *QP) Send(psn uint32, timeout, retries int) error {
	return p.modify(attrState|attrTimeout|attrRetryCnt|attrRNRRetry|attrSQPSN|attrMaxQPRdAtomic, func(a *qpAttr) {
		a.state, a.sqPSN, a.timeout, a.retryCnt, a.rnrRetry, a.maxRdAtomic = stateRTS, psn, uint8(timeout), uint8(retries), infiniteRNR, 1
	})
}

// Fail makes all requests of the queue pair, and those to come, end with
// FlushError. Any goroutine may call it until Destroy.
func (p *QP) Fail() error {
	return p.modify(attrState, func(a *qpAttr) { a.state = stateErr })
}

func (p *QP) modify(mask uintptr, set func(*qpAttr)) error {
	l := p.device.lib
	l.mu.Lock()
	defer l.mu.Unlock()
	set(zeroed[qpAttr](l))
	return l.do(p.device.Name, ibvModifyQP, p.handle, l.here(), mask)
}

// Piece is registered memory of this side.
type Piece struct {
	Addr uintptr
	Len  int
	LKey uint32
}

// MaxReceives is how many receives one call posts at most.
const MaxReceives = 64

// PostReceives allows so many messages of the peer, at most MaxReceives, that carry a
// number and bring nothing to memory by themselves.
func (p *QP) PostReceives(n int) error {
	p.recv.args[1] = p.receives + uintptr(MaxReceives-n)*unsafe.Sizeof(recvWR{})
	return p.posted("ibv_post_recv", p.recv.do())
}

// Write is a write to the peer's memory.
type Write struct {
	ID     uint64 // of its completion
	Remote uint64 // the address
	RKey   uint32
	// Tell has the peer's queue report the write, with Number.
	Tell   bool
	Number uint32
	// Quiet writes complete unseen. A queue pair has no more room for requests until
	// one that is not quiet, after them, has completed.
	Quiet bool
}

// PostWrite writes pieces one after the other to the peer's memory. Their memory must
// stay as it is until the request completes, unless they are Inline bytes or less.
func (p *QP) PostWrite(w *Write, pieces []Piece) error {
	p.wr.opcode, p.wr.remoteAddr, p.wr.rkey = opRDMAWrite, w.Remote, w.RKey
	if w.Tell {
		p.wr.opcode, p.wr.imm = opRDMAWriteWithImm, bigEndian(w.Number)
	}
	return p.post(w.ID, w.Quiet, pieces)
}

// PostNumber tells the peer a number.
func (p *QP) PostNumber(id uint64, number uint32) error {
	p.wr.opcode, p.wr.imm = opSendWithImm, bigEndian(number)
	return p.post(id, false, nil)
}

func (p *QP) post(id uint64, quiet bool, pieces []Piece) error {
	if len(pieces) > len(p.list) {
		return fmt.Errorf("ibv: a request of %d pieces, %d are possible", len(pieces), len(p.list))
	}
	n := 0
	for i, piece := range pieces {
		p.list[i] = sge{uint64(piece.Addr), uint32(piece.Len), piece.LKey}
		n += piece.Len
	}
	p.wr.id, p.wr.entries, p.wr.flags = id, int32(len(pieces)), sendSignaled
	if quiet {
		p.wr.flags = 0
	}
	if n > 0 && n <= p.Inline {
		p.wr.flags |= sendInline
	}
	return p.posted("ibv_post_send", p.send.do())
}

// MaxPieces is how many pieces a request may have.
func (p *QP) MaxPieces() int { return len(p.list) }

func (p *QP) posted(call string, r int32) error {
	if r == 0 {
		return nil
	}
	if r < 0 {
		r = int32(syscall.EIO)
	}
	return &Error{Call: call, Device: p.device.Name, Errno: syscall.Errno(r)}
}

// Destroy destroys the queue pair.
func (p *QP) Destroy() error {
	l := p.device.lib
	var err error
	if p.handle != 0 {
		l.mu.Lock()
		err = l.do(p.device.Name, ibvDestroyQP, p.handle)
		l.mu.Unlock()
		p.handle = 0
	}
	Free(p.memory)
	p.memory = nil
	return err
}
