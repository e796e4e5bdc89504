package ibv

// Offsets in structures of which only these fields are used.
const (
	contextPollCQ      = 96 // ibv_context.ops.poll_cq
	contextReqNotifyCQ = 104
	contextPostSend    = 208
	contextPostRecv    = 216
	contextAsyncFD     = 268
	channelFD          = 8
	qpNumber           = 52
	mrLKey             = 36
	mrRKey             = 40
	deviceMaxQPWR      = 112 // ibv_device_attr
	deviceMaxSGE       = 120
	deviceAttrSize     = 232
)

// sge is ibv_sge.
type sge struct {
	addr   uint64
	length uint32
	lkey   uint32
}

// sendWR is ibv_send_wr, of which only RDMA's variant is used.
type sendWR struct {
	id         uint64
	next       uintptr
	list       uintptr
	entries    int32
	opcode     uint32
	flags      uint32
	imm        uint32 // big-endian
	remoteAddr uint64
	rkey       uint32
	_          [76]byte
}

// recvWR is ibv_recv_wr.
type recvWR struct {
	id      uint64
	next    uintptr
	list    uintptr
	entries int32
	_       uint32
}

// WC is ibv_wc, the completion of a work request.
type WC struct {
	ID        uint64
	Status    Status
	Opcode    Opcode
	VendorErr uint32
	ByteLen   uint32
	imm       uint32 // big-endian
	QPNum     uint32
	SrcQP     uint32
	flags     uint32
	pkeyIndex uint16
	slid      uint16
	sl        uint8
	pathBits  uint8
	_         [2]byte
}

// portAttr is ibv_port_attr.
type portAttr struct {
	state     uint32
	_         [4]byte
	activeMTU uint32
	_         [22]byte
	lid       uint16
	_         [10]byte
	linkLayer uint8
	_         [5]byte
}

// qpCap is ibv_qp_cap.
type qpCap struct {
	maxSendWR, maxRecvWR, maxSendSGE, maxRecvSGE, maxInline uint32
}

// qpInitAttr is ibv_qp_init_attr.
type qpInitAttr struct {
	_              uintptr
	sendCQ, recvCQ uintptr
	_              uintptr
	cap            qpCap
	qpType         uint32
	_              [8]byte
}

// globalRoute is ibv_global_route.
type globalRoute struct {
	dgid         [16]byte
	_            uint32
	sgidIndex    uint8
	hopLimit     uint8
	trafficClass uint8
	_            uint8
}

// ahAttr is ibv_ah_attr.
type ahAttr struct {
	grh      globalRoute
	dlid     uint16
	sl       uint8
	_        [2]byte
	isGlobal uint8
	portNum  uint8
	_        uint8
}

// qpAttr is ibv_qp_attr.
type qpAttr struct {
	state           uint32
	_               [4]byte
	pathMTU         uint32
	_               [8]byte
	rqPSN, sqPSN    uint32
	destQPNum       uint32
	access          uint32
	_               [20]byte
	ah              ahAttr
	_               [38]byte
	maxRdAtomic     uint8
	maxDestRdAtomic uint8
	minRNRTimer     uint8
	portNum         uint8
	timeout         uint8
	retryCnt        uint8
	rnrRetry        uint8
	_               [11]byte
}

// asyncEvent is ibv_async_event.
type asyncEvent struct {
	element uint64
	kind    EventType
	_       uint32
}

// Numbers of verbs.h.
const (
	accessLocalWrite  = 1
	accessRemoteWrite = 2

	qpTypeRC = 2

	stateReset, stateInit, stateRTR, stateRTS, stateErr = 0, 1, 2, 3, 6

	attrState           = 1 << 0
	attrAccessFlags     = 1 << 3
	attrPKeyIndex       = 1 << 4
	attrPort            = 1 << 5
	attrAV              = 1 << 7
	attrPathMTU         = 1 << 8
	attrTimeout         = 1 << 9
	attrRetryCnt        = 1 << 10
	attrRNRRetry        = 1 << 11
	attrRQPSN           = 1 << 12
	attrMaxQPRdAtomic   = 1 << 13
	attrMinRNRTimer     = 1 << 15
	attrSQPSN           = 1 << 16
	attrMaxDestRdAtomic = 1 << 17
	attrDestQPN         = 1 << 20

	opRDMAWrite        = 0
	opRDMAWriteWithImm = 1
	opSendWithImm      = 3

	sendSignaled = 1 << 1
	sendInline   = 1 << 3

	wcWithImm = 2

	portActive = 4

	linkInfiniBand, linkEthernet = 1, 2
)

// Opcode says what a completion is about.
type Opcode uint32

// The opcodes of completions that are used. Those of receives have bit 7 set.
const (
	OpSend          Opcode = 0
	OpRDMAWrite     Opcode = 1
	OpRecv          Opcode = 1 << 7
	OpRecvWriteImm  Opcode = 1<<7 + 1
	receives        Opcode = 1 << 7
	wakeOnAnything         = 0 // req_notify_cq: not only on solicited completions
	infiniteRNR            = 7
	minRNRTimerTo10        = 12 // 0.64 ms
)

// IsReceive reports whether the completion is one of a receive request.
func (o Opcode) IsReceive() bool { return o&receives != 0 }
