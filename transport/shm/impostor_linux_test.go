package shm

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
)

// TestImpostor speaks to a mesh in ways that no peer does, over a connection
// that has been authenticated.
func TestImpostor(t *testing.T) {
	good := hello{version: protocolVersion, rank: 0}
	frame := func(t messageType, body ...byte) []byte {
		b := []byte{byte(t), 0, 0, 0}
		binary.LittleEndian.PutUint16(b[2:], uint16(len(body)))
		return append(b, body...)
	}
	probe := offer{id: 5, channel: probeChannel, geometry: geometry{DefaultSlotSize, DefaultSlots}, size: pageSize, way: wayProc, pid: 1 << 30}
	for name, c := range map[string]struct {
		say  []byte
		lost bool // or answered
	}{
		"no hello":             {probe.encode(), true},
		"hello of another":     {(&hello{version: protocolVersion, rank: 1}).encode(), true},
		"hello of the future":  {(&hello{version: protocolVersion + 1, rank: 0}).encode(), true},
		"hello twice":          {append(good.encode(), good.encode()...), true},
		"an answer":            {append(good.encode(), someAnswer.encode()...), true},
		"unknown message":      {append(good.encode(), frame(99)...), true},
		"too long":             {append(good.encode(), byte(msgOffer), 0, 0xff, 0xff), true},
		"malformed frame":      {append(good.encode(), byte(msgOffer), 1, 0, 0), true},
		"cut offer":            {append(good.encode(), frame(msgOffer, 1, 2, 3)...), true},
		"cut withdrawal":       {append(good.encode(), frame(msgWithdraw, 1)...), true},
		"memory that is not":   {append(good.encode(), probe.encode()...), false},
		"another geometry":     {append(good.encode(), someOffer.encode()...), false},
		"withdrawal and probe": {append(append(good.encode(), someWithdraw.encode()...), probe.encode()...), false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWires()
			m, err := New(Config{Rank: 1, Size: 2}, source{w, 1})
			require.NoError(t, err)
			defer m.Close()
			conn, err := source{w, 0}.Dial(t.Context(), 1, 0)
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
		"goodbye":   {func(*offer) []byte { return encodeBye() }, transport.ErrPeerLost},
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
			w := newWires()
			m, err := New(Config{Rank: 0, Size: 2}, source{w, 0})
			require.NoError(t, err)
			defer m.Close()
			go func() {
				nc, err := source{w, 1}.Accept(context.Background(), 0, 0)
				if err != nil {
					return
				}
				defer nc.Close()
				impostor := &conn{Conn: nc}
				var buf [frameHeader + maxBody]byte
				_, _, _ = impostor.receive(&buf)
				if _, body, err := impostor.receive(&buf); err == nil {
					if o, err := decodeOffer(body); err == nil {
						_, _ = nc.Write(c.say(&o))
					}
				}
				if name == "no answer" {
					return
				}
				_, _, _ = impostor.receive(&buf) // until the other side has had enough
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
	dead, err := source{w, 0}.Dial(t.Context(), 1, 0)
	require.NoError(t, err)
	require.NoError(t, dead.Close())
	s, r := linkOf(t, all)
	require.NoError(t, send(s, 3, 30))
	require.NoError(t, receive(r, 3, 30))
}
