package shm

import (
	"bytes"
	"context"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/conformance"
	"github.com/monel-dev/monel/transport/internal/converse"
)

// TestImpostor speaks to a mesh in ways that no peer does, over a connection
// that has been authenticated.
func TestImpostor(t *testing.T) {
	good, future := protocol.EncodeHello(0), protocol
	future.Version++
	frame := func(t converse.Type, body ...byte) []byte { return converse.Frame(t, body) }
	probe := offer{id: 5, channel: probeChannel, geometry: geometry{DefaultSlotSize, DefaultSlots}, size: pageSize, way: wayProc, pid: 1 << 30}
	for name, c := range map[string]struct {
		say  []byte
		lost bool // or answered
	}{
		"no hello":             {probe.encode(), true},
		"hello of another":     {protocol.EncodeHello(1), true},
		"hello of the future":  {future.EncodeHello(0), true},
		"hello twice":          {append(slices.Clone(good), good...), true},
		"an answer":            {append(slices.Clone(good), someAnswer.encode()...), true},
		"unknown message":      {append(slices.Clone(good), frame(99)...), true},
		"too long":             {append(slices.Clone(good), byte(msgOffer), 0, 0xff, 0xff), true},
		"malformed frame":      {append(slices.Clone(good), byte(msgOffer), 1, 0, 0), true},
		"cut offer":            {append(slices.Clone(good), frame(msgOffer, 1, 2, 3)...), true},
		"cut withdrawal":       {append(slices.Clone(good), frame(msgWithdraw, 1)...), true},
		"memory that is not":   {append(slices.Clone(good), probe.encode()...), false},
		"another geometry":     {append(slices.Clone(good), someOffer.encode()...), false},
		"withdrawal and probe": {append(append(slices.Clone(good), someWithdraw.encode()...), probe.encode()...), false},
	} {
		t.Run(name, func(t *testing.T) {
			w := conformance.NewWires()
			m, err := New(Config{Rank: 1, Size: 2}, w.Source(1))
			require.NoError(t, err)
			defer m.Close()
			conn, err := w.Source(0).Dial(t.Context(), 1, 0)
			require.NoError(t, err)
			defer conn.Close()
			_, err = conn.Write(c.say)
			require.NoError(t, err)
			if !c.lost {
				_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
				b := make([]byte, 1)
				_, err = conn.Read(b)
				require.NoError(t, err)
				require.Equal(t, byte(msgAnswer), b[0])
				return
			}
			v, err := m.Receiver(t.Context(), 0, 0)
			require.NoError(t, err)
			_, _, err = v.Next(t.Context())
			require.ErrorIs(t, err, transport.ErrProtocol)
			var re *transport.RankError
			require.ErrorAs(t, err, &re)
			require.Equal(t, 0, re.Rank)
		})
	}
}

// TestFalseAnswers answers a mesh's offers in ways that no peer does.
func TestFalseAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		say  func(o *offer) []byte
		want error
	}{
		"nonsense":  {func(*offer) []byte { return bytes.Repeat([]byte{0xee}, 100) }, transport.ErrProtocol},
		"an offer":  {func(o *offer) []byte { return o.encode() }, transport.ErrProtocol},
		"goodbye":   {func(*offer) []byte { return protocol.EncodeBye() }, transport.ErrPeerLost},
		"no answer": {func(*offer) []byte { return nil }, transport.ErrPeerLost},
		"a refusal": {func(o *offer) []byte {
			a := answer{id: o.id, verdict: mismatch, text: "because"}
			return a.encode()
		}, transport.ErrInvalid},
		"an answer to something else first": {func(o *offer) []byte {
			a, b := answer{id: o.id + 1}, answer{id: o.id, verdict: mismatch}
			return append(a.encode(), b.encode()...)
		}, transport.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			w := conformance.NewWires()
			m, err := New(Config{Rank: 0, Size: 2}, w.Source(0))
			require.NoError(t, err)
			defer m.Close()
			go func() {
				nc, err := w.Source(1).Accept(context.Background(), 0, 0)
				if err != nil {
					return
				}
				defer nc.Close()
				impostor := converse.Conn{Conn: nc}
				buf := make([]byte, converse.FrameHeader+maxBody)
				_, _, _ = impostor.Receive(buf)
				if _, body, err := impostor.Receive(buf); err == nil {
					if o, err := decodeOffer(body); err == nil {
						_, _ = nc.Write(c.say(&o))
					}
				}
				if name == "no answer" {
					return
				}
				_, _, _ = impostor.Receive(buf) // until the other side has had enough
			}()
			_, err = m.Sender(t.Context(), 1, 0)
			require.ErrorIs(t, err, c.want)
		})
	}
}

// TestDialedInVain gives the mesh a connection that ends before a word is said,
// as a dialer that gave up leaves behind, and then a good one.
func TestDialedInVain(t *testing.T) {
	all, w := meshes(t, 2, Config{}, nil)
	closeAfter(t, all)
	var dead net.Conn
	dead, err := w.Source(0).Dial(t.Context(), 1, 0)
	require.NoError(t, err)
	require.NoError(t, dead.Close())
	s, r := linkOf(t, all)
	require.NoError(t, send(s, 3, 30))
	require.NoError(t, receive(r, 3, 30))
}
