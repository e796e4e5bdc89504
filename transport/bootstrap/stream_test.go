package bootstrap

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/inproc"
)

// taped writes to memory what a connection would send.
type taped struct {
	net.Conn
	bytes.Buffer
}

func (c *taped) Write(p []byte) (int, error) { return c.Buffer.Write(p) }
func (c *taped) Read(p []byte) (int, error)  { return c.Buffer.Read(p) }

func sealedEnds(dialer, listener net.Conn) (d, l net.Conn) {
	key, transcript := handshakeKey(Secret{1}), []byte("both nonces")
	return PurposeControl.seal(dialer, key, transcript, true), PurposeControl.seal(listener, key, transcript, false)
}

// sent is what a dialer's end puts on the wire for some writes.
func sent(t testing.TB, writes ...[]byte) []byte {
	wire := &taped{}
	d, _ := sealedEnds(wire, nil)
	for _, p := range writes {
		n, err := d.Write(p)
		require.NoError(t, err)
		require.Equal(t, len(p), n)
	}
	return bytes.Clone(wire.Bytes())
}

// received is what the listener's end makes of bytes from the wire.
func received(wire []byte) ([]byte, error) {
	c := &taped{}
	c.Buffer.Write(wire)
	_, l := sealedEnds(nil, c)
	return io.ReadAll(l)
}

func TestSealedConn(t *testing.T) {
	a, b := inproc.Pipe()
	d, l := sealedEnds(a, b)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 2, maxRecord - 1, maxRecord, maxRecord + 1, 3*maxRecord + 7, 200_000} {
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(rng.Uint32())
		}
		for _, dir := range [][2]net.Conn{{d, l}, {l, d}} {
			go dir[0].Write(want)
			got := make([]byte, size)
			_, err := io.ReadFull(dir[1], got)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), "%d bytes", size)
		}
	}
	require.NoError(t, d.Close())
	_, err := l.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

// TestSealedConnHides: nothing of what is written can be seen on the wire, and equal
// writes look different.
func TestSealedConnHides(t *testing.T) {
	text := []byte("the secret of another session")
	wire := sent(t, text, text)
	require.NotContains(t, string(wire), string(text[:8]))
	require.NotEqual(t, wire[:len(wire)/2], wire[len(wire)/2:])
}

// TestSealedPurposes: all that ranks say to each other is encrypted. The secrets of
// communicators that are made of another one rest on that alone.
func TestSealedPurposes(t *testing.T) {
	for _, p := range []Purpose{PurposeRendezvous, PurposeControl, PurposeMeeting, PurposeData + 1, PurposeData + 2} {
		require.IsType(t, &sealedConn{}, p.seal(&taped{}, handshakeKey(Secret{1}), nil, true), "purpose %d", p)
	}
	require.IsType(t, &taped{}, PurposeData.seal(&taped{}, handshakeKey(Secret{1}), nil, true), "transports protect their own")
}

// TestSealedConnFindsForgery: whatever is done to the records, no byte is read that was
// not sent in that place.
func TestSealedConnFindsForgery(t *testing.T) {
	first, second := []byte("first record"), []byte("the second one")
	wire := sent(t, first, second)
	one := sent(t, first)
	two := wire[len(one):]
	for i := range wire {
		for bit := range 8 {
			forged := bytes.Clone(wire)
			forged[i] ^= 1 << bit
			got, err := received(forged)
			require.True(t, bytes.HasPrefix(append(bytes.Clone(first), second...), got), "byte %d: %q", i, got)
			require.Error(t, err, "byte %d", i)
		}
	}
	for name, forged := range map[string][]byte{
		"repeated": append(bytes.Clone(one), one...),
		"left out": two,
		"swapped":  append(bytes.Clone(two), one...),
	} {
		_, err := received(forged)
		require.ErrorIs(t, err, transport.ErrProtocol, name)
	}
	_, err := received(wire[:len(wire)-1])
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	wireBack := &taped{} // what the listener sends is not taken for what the dialer does
	_, l := sealedEnds(nil, wireBack)
	l.Write(first)
	_, err = received(wireBack.Bytes())
	require.ErrorIs(t, err, transport.ErrProtocol)
}

// TestSealedConnDeadline: a deadline in the middle of a record loses nothing.
func TestSealedConnDeadline(t *testing.T) {
	a, b := inproc.Pipe()
	_, l := sealedEnds(nil, b)
	wire := sent(t, []byte("in two parts"))
	a.Write(wire[:9])
	l.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := l.Read(make([]byte, 64))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	a.Write(wire[9:])
	l.SetReadDeadline(time.Time{})
	p := make([]byte, 64)
	n, err := l.Read(p)
	require.NoError(t, err)
	require.Equal(t, "in two parts", string(p[:n]))
}

// FuzzSealedConn feeds a reader what a network might: it ends in bounded time, and
// returns nothing but a beginning of what was sent.
func FuzzSealedConn(f *testing.F) {
	text := []byte("what was sent")
	whole := sent(f, text, text)
	f.Add(whole)
	f.Add(whole[:5])
	f.Add([]byte{0, 0})
	f.Add([]byte{255, 255, 1})
	f.Fuzz(func(t *testing.T, wire []byte) {
		got, err := received(wire)
		if !bytes.HasPrefix(append(bytes.Clone(text), text...), got) {
			t.Fatalf("read %q", got)
		}
		if err != nil && !errors.Is(err, transport.ErrProtocol) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
	})
}
