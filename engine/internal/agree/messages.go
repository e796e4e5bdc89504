package agree

import (
	"encoding/binary"
	"fmt"

	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

type messageType uint8

const (
	msgDispute messageType = iota + 1
	msgPoll
	msgState
	msgVerdict
)

// key names one attempt at one operation.
type key struct {
	seq     uint64
	attempt uint32
}

// reason is why a rank opens a dispute.
type reason uint8

const (
	reasonMisfit  reason = iota + 1 // a chunk does not fit this rank's call
	reasonSlow                      // the call takes long: is anything wrong?
	reasonTimeout                   // the call takes longer than is allowed
	reasonApart                     // a message does: is somebody silent?
)

type disputeMsg struct {
	key
	reason reason
}

type pollMsg struct {
	key
	now bool // answer at once, even if the operation has not been called
}

type stateMsg struct {
	key
	status  status
	next    uint64 // the rank's next operation
	call    Call
	sig     uint64 // of this call and all before it
	walk    strided.Walk
	again   bool // the ranks have differed in walk before in a call with this signature
	invalid string
	before  []past // the calls before, latest first
}

type outcome uint8

const (
	outcomeRestart outcome = iota + 1 // all ranks walk as the verdict says
	outcomeMismatch
	outcomeTimeout
	outcomeCarryOn
)

type verdictMsg struct {
	key
	outcome outcome
	broken  bool
	numbers uint16       // of outcomeMismatch: of how many operations from seq on, at most
	walk    strided.Walk // of outcomeRestart
	groups  []Group
}

func appendKey(t messageType, k key) []byte {
	b := append(make([]byte, 0, 64), byte(t))
	b = binary.LittleEndian.AppendUint64(b, k.seq)
	return binary.LittleEndian.AppendUint32(b, k.attempt)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func (m *disputeMsg) encode() []byte { return append(appendKey(msgDispute, m.key), byte(m.reason)) }
func (m *pollMsg) encode() []byte    { return appendBool(appendKey(msgPoll, m.key), m.now) }

func (m *stateMsg) encode() []byte {
	b := append(appendKey(msgState, m.key), byte(m.status))
	b = binary.LittleEndian.AppendUint64(b, m.next)
	b = m.call.appendTo(b)
	b = binary.LittleEndian.AppendUint64(b, m.sig)
	b = binary.LittleEndian.AppendUint64(b, uint64(m.walk))
	b = appendBool(b, m.again)
	b = appendText(b, m.invalid)
	b = append(b, byte(len(m.before)))
	for i := range m.before {
		b = binary.LittleEndian.AppendUint64(b, m.before[i].seq)
		b = m.before[i].call.appendTo(b)
	}
	return b
}

func (m *verdictMsg) encode() []byte {
	b := append(appendKey(msgVerdict, m.key), byte(m.outcome))
	b = appendBool(b, m.broken)
	b = binary.LittleEndian.AppendUint16(b, m.numbers)
	b = binary.LittleEndian.AppendUint64(b, uint64(m.walk))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.groups)))
	for i := range m.groups {
		g := &m.groups[i]
		b = append(b, byte(g.status))
		b = binary.LittleEndian.AppendUint64(b, g.next)
		b = appendRanks(b, g.Ranks)
		b = appendText(b, g.Call)
		b = appendText(b, g.Invalid)
	}
	return b
}

// decode reads any message. Its errors wrap transport.ErrProtocol.
func decode(payload []byte) (any, error) {
	r := &wireReader{b: payload}
	t := messageType(r.u8())
	k := key{r.u64(), r.u32()}
	var m any
	switch t {
	case msgDispute:
		m = &disputeMsg{key: k, reason: reason(r.u8())}
	case msgPoll:
		m = &pollMsg{key: k, now: r.u8() != 0}
	case msgState:
		st := &stateMsg{key: k, status: status(r.u8()), next: r.u64(), call: readCall(r), sig: r.u64(),
			walk: strided.Walk(r.u64()), again: r.u8() != 0, invalid: r.text()}
		for n := r.u8(); n > 0 && !r.bad; n-- {
			st.before = append(st.before, past{seq: r.u64(), call: readCall(r)})
		}
		m = st
	case msgVerdict:
		v := &verdictMsg{key: k, outcome: outcome(r.u8()), broken: r.u8() != 0, numbers: r.u16(), walk: strided.Walk(r.u64())}
		for n := r.u32(); n > 0 && !r.bad; n-- {
			v.groups = append(v.groups, Group{status: status(r.u8()), next: r.u64(), Ranks: r.ranks(),
				Call: r.text(), Invalid: r.text()})
		}
		m = v
	default:
		return nil, fmt.Errorf("%w: agreement message of type %d", transport.ErrProtocol, t)
	}
	if r.bad || len(r.b) != 0 {
		return nil, fmt.Errorf("%w: agreement message of type %d has %d bytes", transport.ErrProtocol, t, len(payload))
	}
	return m, nil
}

// ForCoordinator reports whether a message is one that members send to the
// coordinator, rather than the other way round.
func ForCoordinator(payload []byte) bool {
	return len(payload) > 0 && (messageType(payload[0]) == msgDispute || messageType(payload[0]) == msgState)
}
