package shm

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/internal/converse"
)

var (
	someOffer    = offer{id: 1, channel: 2, geometry: geometry{4096, 3}, size: 5, nonce: nonce{6}, way: wayPass, pid: 7, fd: 8, socket: "@x", token: nonce{9}}
	someAnswer   = answer{id: 3, verdict: refused, text: "no"}
	someWithdraw = withdrawal{channel: probeChannel, text: "never"}
)

func TestMessagesSurvive(t *testing.T) {
	o, err := decodeOffer(someOffer.encode()[converse.FrameHeader:])
	require.NoError(t, err)
	require.Equal(t, someOffer, o)
	a, err := decodeAnswer(someAnswer.encode()[converse.FrameHeader:])
	require.NoError(t, err)
	require.Equal(t, someAnswer, a)
	w, err := decodeWithdrawal(someWithdraw.encode()[converse.FrameHeader:])
	require.NoError(t, err)
	require.Equal(t, someWithdraw, w)
}

func TestLongTextIsCut(t *testing.T) {
	a := answer{text: strings.Repeat("x", 5000)}
	frame := a.encode()
	require.LessOrEqual(t, len(frame), converse.FrameHeader+maxBody)
	got, err := decodeAnswer(frame[converse.FrameHeader:])
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("x", maxText), got.text)
}

func FuzzDecode(f *testing.F) {
	for _, frame := range [][]byte{someOffer.encode(), someAnswer.encode(), someWithdraw.encode(), protocol.EncodeBye()} {
		f.Add(frame[converse.FrameHeader:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		back := func(frame []byte, err error) {
			if err != nil {
				require.ErrorIs(t, err, transport.ErrProtocol)
			} else {
				require.Equal(t, body, frame[converse.FrameHeader:], "it has more than one form")
			}
		}
		o, err := decodeOffer(body)
		back(o.encode(), err)
		require.LessOrEqual(t, o.slots*o.slotSize, MaxSlots*MaxSlotSize)
		a, err := decodeAnswer(body)
		back(a.encode(), err)
		w, err := decodeWithdrawal(body)
		back(w.encode(), err)
	})
}
