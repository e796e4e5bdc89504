package agree

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided/dtype"
	"github.com/monel-dev/monel/transport"
)

func dtypeOf(i int) dtype.DType { return dtype.DType(i) }
func opOf(i int) dtype.Op       { return dtype.Op(i) }

func sampleMessages() [][]byte {
	k := key{seq: 7, attempt: 1}
	return [][]byte{
		(&disputeMsg{key: k, reason: reasonTimeout}).encode(),
		(&pollMsg{key: k, now: true}).encode(),
		(&stateMsg{key: k, status: statusInOp, next: 8, call: *call(2, 3), sig: 9, walk: otherWalk, again: true, invalid: "dst: too small",
			before: []past{{seq: 6, call: *cast(1, 4)}, {seq: 5, call: *call(1)}}}).encode(),
		(&verdictMsg{key: k, outcome: outcomeRestart, walk: otherWalk}).encode(),
		(&verdictMsg{key: k, outcome: outcomeMismatch, broken: true, groups: []Group{
			{Ranks: []int{0, 2}, Call: "all_reduce", status: statusInOp, next: 8},
			{Ranks: []int{1}, Invalid: "root", status: statusDone, next: 9},
		}}).encode(),
	}
}

func TestMessagesRoundTrip(t *testing.T) {
	for _, b := range sampleMessages() {
		m, err := decode(b)
		require.NoError(t, err)
		require.Equal(t, b, m.(interface{ encode() []byte }).encode())
		for cut := range b {
			_, err := decode(b[:cut])
			require.ErrorIs(t, err, transport.ErrProtocol, "cut to %d bytes", cut)
		}
		_, err = decode(append(b[:len(b):len(b)], 0))
		require.ErrorIs(t, err, transport.ErrProtocol)
	}
}

// FuzzHandle feeds arbitrary messages to both state machines.
func FuzzHandle(f *testing.F) {
	for _, b := range sampleMessages() {
		f.Add(0, b)
	}
	f.Fuzz(func(t *testing.T, from int, payload []byte) {
		m := NewMember(func([]byte) {})
		c := call(2)
		if _, err := m.Begin(c, 0, ""); err != nil {
			t.Fatal(err)
		}
		_ = m.Handle(payload)
		coord := NewCoordinator(2, 256<<10, func(int, []byte) {})
		defer coord.Close()
		_ = coord.Handle(from, payload)
	})
}
