package rdma

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/internal/converse"
)

func someLanes() []address {
	return []address{
		{mtu: 3, lid: 7, qpn: 0x123456, psn: 0xffffff, gid: [16]byte{0xfe, 0x80, 15: 1}, rkey: 0xdeadbeef},
		{infiniBand: true, mtu: 5, qpn: 1},
	}
}

func TestMessages(t *testing.T) {
	o := offer{channel: 9, slotSize: 1 << 18, slots: 8, memory: 1 << 40, lanes: someLanes()}
	got, err := decodeOffer(o.encode()[converse.FrameHeader:])
	require.NoError(t, err)
	require.Equal(t, &o, got)

	a := answer{channel: 9, memory: 0x7f0012345678, cells: true, lanes: someLanes()}
	back, err := decodeAnswer(a.encode()[converse.FrameHeader:])
	require.NoError(t, err)
	require.Equal(t, &a, back)
	refused := answer{channel: 1, refusal: string(bytes.Repeat([]byte("x"), maxText+5)), lanes: []address{}}
	back, err = decodeAnswer(refused.encode()[converse.FrameHeader:])
	require.NoError(t, err)
	require.Len(t, back.refusal, maxText, "long texts are cut")

	for _, tr := range []*trial{{lanes: someLanes()}, {failure: "no way", lanes: []address{}}} {
		heard, err := decodeTrial(tr.encode(msgTry)[converse.FrameHeader:])
		require.NoError(t, err)
		require.Equal(t, tr, heard)
	}

	l := last{3, 1 << 31}
	end, err := decodeLast(l.encode()[converse.FrameHeader:])
	require.NoError(t, err)
	require.Equal(t, l, end)

	require.NoError(t, protocol.DecodeHello(protocol.EncodeHello(5)[converse.FrameHeader:], 5))
	require.ErrorIs(t, protocol.DecodeHello(protocol.EncodeHello(5)[converse.FrameHeader:], 6), transport.ErrProtocol)
}

// The largest messages that there can be fit into a frame.
func TestMessagesFit(t *testing.T) {
	lanes := make([]address, maxLanes)
	for i := range lanes {
		lanes[i] = someLanes()[0]
	}
	o, a := offer{lanes: lanes}, answer{refusal: string(make([]byte, maxText)), lanes: lanes}
	for _, b := range [][]byte{o.encode(), a.encode(), (&trial{failure: string(make([]byte, maxText)), lanes: lanes}).encode(msgTry)} {
		require.LessOrEqual(t, len(b), converse.FrameHeader+maxBody)
		require.Equal(t, len(b)-converse.FrameHeader, int(b[2])|int(b[3])<<8)
	}
}

// FuzzMessages feeds bytes of the network to all decoders. What they accept, they
// would have written.
func FuzzMessages(f *testing.F) {
	o, a := offer{channel: 1, lanes: someLanes()}, answer{refusal: "no", lanes: someLanes()}
	for _, b := range [][]byte{o.encode(), a.encode(), (&trial{failure: "no", lanes: someLanes()}).encode(msgTry), last{1, 2}.encode(), protocol.EncodeHello(3), {}} {
		f.Add(b[min(converse.FrameHeader, len(b)):])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		same := func(encoded []byte, err error) {
			if err == nil && !bytes.Equal(encoded[converse.FrameHeader:], body) {
				t.Fatalf("%x was accepted, and is written %x", body, encoded[converse.FrameHeader:])
			}
			if err != nil {
				require.ErrorIs(t, err, transport.ErrProtocol)
			}
		}
		if o, err := decodeOffer(body); err != nil || len(body) < maxBody {
			same(o.encode(), err)
		}
		if a, err := decodeAnswer(body); err != nil || len(body) < maxBody {
			same(a.encode(), err)
		}
		if tr, err := decodeTrial(body); err != nil || len(body) < maxBody {
			same(tr.encode(msgTried), err)
		}
		l, err := decodeLast(body)
		same(l.encode(), err)
		_ = protocol.DecodeHello(body, 0)
	})
}

// FuzzHead feeds what a peer may write into a slot to what reads it.
func FuzzHead(f *testing.F) {
	var b [headSize]byte
	putHead(b[:], &transport.Header{1, 2, 3}, 100, 7)
	f.Add(b[:], uint32(7))
	f.Fuzz(func(t *testing.T, b []byte, number uint32) {
		if len(b) < headSize {
			return
		}
		var h transport.Header
		n, err := parseHead(b, &h, 1000, number)
		if err != nil {
			return
		}
		require.True(t, 0 <= n && n <= 1000)
		var again [headSize]byte
		putHead(again[:], &h, n, number)
		require.Equal(t, b[:headSize], again[:])
	})
}
