package guard_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/conformance"
	"github.com/monel-dev/monel/transport/guard"
	"github.com/monel-dev/monel/transport/inproc"
	"github.com/monel-dev/monel/transport/tcp"
)

func linkKey(from, to, channel int) []byte {
	key := sha256.Sum256(fmt.Appendf(nil, "%d %d %d", from, to, channel))
	return key[:]
}

// ways are how a mesh can be protected, and the room that takes.
var ways = map[string]struct {
	room int
	wrap func(mesh transport.Mesh, rank int) transport.Mesh
}{
	"checksum": {0, func(m transport.Mesh, rank int) transport.Mesh { return guard.Checksum(m, rank) }},
	"seal":     {guard.SealRoom, func(m transport.Mesh, rank int) transport.Mesh { return guard.Seal(m, rank, linkKey) }},
}

func TestConformance(t *testing.T) {
	for name, way := range ways {
		t.Run(name+"/inproc", func(t *testing.T) {
			conformance.Run(t, func(_ *testing.T, ranks int) *conformance.World {
				meshes := inproc.NewWorld(ranks, inproc.Options{SlotSize: 5000 + way.room, Poison: true})
				w := &conformance.World{Kill: func(rank int) { meshes[rank].Kill() }}
				for rank, m := range meshes {
					w.Meshes = append(w.Meshes, way.wrap(m, rank))
				}
				return w
			})
		})
		t.Run(name+"/tcp", func(t *testing.T) {
			conformance.Run(t, func(_ *testing.T, ranks int) *conformance.World {
				pipes := &pipes{waiting: map[[3]int]chan net.Conn{}, of: make([][]net.Conn, ranks)}
				w := &conformance.World{Kill: pipes.kill, MaxInFlight: 8 << 20, Direct: name == "checksum"}
				for rank := range ranks {
					w.Meshes = append(w.Meshes, way.wrap(tcp.New(tcp.Config{
						Rank: rank, Size: ranks, SlotSize: 5000 + way.room, Connections: 2}, pipeEnd{pipes, rank}), rank))
				}
				return w
			})
		})
	}
}

// pipes are connections in memory.
type pipes struct {
	mu      sync.Mutex
	waiting map[[3]int]chan net.Conn
	of      [][]net.Conn   // by rank
	alter   func(p []byte) // what is written, if not nil
}

// altered is an end of a connection that does.
type altered struct {
	net.Conn
	alter func(p []byte)
}

func (c altered) Write(p []byte) (int, error) {
	p = append([]byte(nil), p...)
	c.alter(p)
	return c.Conn.Write(p)
}

func (p *pipes) place(from, to, channel int) chan net.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := [3]int{from, to, channel}
	if p.waiting[key] == nil {
		p.waiting[key] = make(chan net.Conn, 1)
	}
	return p.waiting[key]
}

func (p *pipes) kill(rank int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.of[rank] {
		c.Close()
	}
}

// pipeEnd is a rank's access to them, a tcp.ConnSource.
type pipeEnd struct {
	*pipes
	rank int
}

func (e pipeEnd) Dial(_ context.Context, peer, channel int) (net.Conn, error) {
	a, b := inproc.Pipe()
	e.mu.Lock()
	e.of[e.rank] = append(e.of[e.rank], a)
	e.of[peer] = append(e.of[peer], b)
	e.mu.Unlock()
	e.place(e.rank, peer, channel) <- b
	if e.alter != nil {
		return altered{a, e.alter}, nil
	}
	return a, nil
}

func (e pipeEnd) Accept(ctx context.Context, peer, channel int) (net.Conn, error) {
	select {
	case c := <-e.place(peer, e.rank, channel):
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestFindsFaults: what is altered, cut, lost, repeated or moved between the two ends of
// a link is found, and nothing of it is handed on; so it is ever after.
func TestFindsFaults(t *testing.T) {
	for name, way := range ways {
		for fault, chunks := range map[string]func(sent [][]byte) [][]byte{
			"shortened": func(c [][]byte) [][]byte { return [][]byte{c[0], c[1][:len(c[1])-1]} },
			"emptied":   func(c [][]byte) [][]byte { return [][]byte{c[0], nil} },
			"lost":      func(c [][]byte) [][]byte { return [][]byte{c[0], c[2]} },
			"repeated":  func(c [][]byte) [][]byte { return [][]byte{c[0], c[0]} },
			"swapped":   func(c [][]byte) [][]byte { return [][]byte{c[0], c[2], c[1]} },
		} {
			t.Run(name+"/"+fault, func(t *testing.T) {
				headers, sent := onTheWire(t, way.room, way.wrap)
				deliver(t, way.wrap, way.room, headers, chunks(sent))
			})
		}
		t.Run(name+"/flipped", func(t *testing.T) {
			headers, sent := onTheWire(t, way.room, way.wrap)
			for bit := range 8 * len(sent[1]) {
				altered := [][]byte{append([]byte(nil), sent[0]...), append([]byte(nil), sent[1]...)}
				altered[1][bit/8] ^= 1 << (bit % 8)
				deliver(t, way.wrap, way.room, headers, altered)
			}
			for bit := range 8 * transport.HeaderSize {
				altered := [3]transport.Header(headers)
				altered[1][bit/8] ^= 1 << (bit % 8)
				deliver(t, way.wrap, way.room, altered[:], [][]byte{append([]byte(nil), sent[0]...), append([]byte(nil), sent[1]...)})
			}
		})
	}
}

var texts = []string{"the first", "then another", "and a third"}

// onTheWire is what three chunks look like below the protection.
func onTheWire(t *testing.T, room int, wrap func(transport.Mesh, int) transport.Mesh) (headers []transport.Header, chunks [][]byte) {
	wire := inproc.NewWorld(2, inproc.Options{SlotSize: 64 + room})
	defer wire[0].Close()
	defer wire[1].Close()
	s, err := wrap(wire[0], 0).Sender(t.Context(), 1, 0)
	require.NoError(t, err)
	r, err := wire[1].Receiver(t.Context(), 0, 0)
	require.NoError(t, err)
	for i, text := range texts {
		slot, err := s.Acquire(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Commit(&transport.Header{byte(i), 7}, copy(slot, text)))
		h, chunk, err := r.Next(t.Context())
		require.NoError(t, err)
		headers, chunks = append(headers, *h), append(chunks, append([]byte(nil), chunk...))
		r.Release()
	}
	return headers, chunks
}

// TestSealHides: what is sealed cannot be seen, neither text nor header, and equal
// chunks look different.
func TestSealHides(t *testing.T) {
	way := ways["seal"]
	headers, sent := onTheWire(t, way.room, way.wrap)
	for i, chunk := range sent {
		require.NotContains(t, string(chunk), texts[i][:5])
		require.Equal(t, transport.Header{}, headers[i])
	}
	_, again := onTheWire(t, way.room, func(m transport.Mesh, rank int) transport.Mesh {
		return guard.Seal(m, rank, func(from, to, channel int) []byte { return linkKey(from, to, channel+1) })
	})
	require.NotEqual(t, sent[0][16:32], again[0][16:32], "links have keys of their own")
}

// TestFindsFaultsInPieces: so it is for chunks that a link takes from the caller's memory
// and brings there.
func TestFindsFaultsInPieces(t *testing.T) {
	mark := []byte("<a piece of the caller's memory>")
	pipes := &pipes{waiting: map[[3]int]chan net.Conn{}, of: make([][]net.Conn, 2), alter: func(p []byte) {
		if i := bytes.Index(p, mark); i >= 0 {
			p[i+3] ^= 0x10
		}
	}}
	var meshes [2]transport.Mesh
	for rank := range meshes {
		meshes[rank] = guard.Checksum(tcp.New(tcp.Config{Rank: rank, Size: 2, SlotSize: 512}, pipeEnd{pipes, rank}), rank)
		defer meshes[rank].Close()
	}
	end, err := meshes[0].Sender(t.Context(), 1, 0)
	require.NoError(t, err)
	s := end.(transport.DirectSender)
	other, err := meshes[1].Receiver(t.Context(), 0, 0)
	require.NoError(t, err)
	r := other.(transport.DirectReceiver)
	for i, pieces := range [][][]byte{{[]byte("right "), []byte("so far")}, {[]byte("and "), mark}} {
		require.NoError(t, s.Send(t.Context(), &transport.Header{byte(i)}, pieces))
		h, n, err := r.Head(t.Context())
		require.NoError(t, err)
		require.Equal(t, transport.Header{byte(i)}, *h)
		into := [][]byte{make([]byte, 5), make([]byte, n-5)}
		err = r.Fill(t.Context(), into)
		if i == 0 {
			require.NoError(t, err)
			require.Equal(t, "right so far", string(bytes.Join(into, nil)))
			r.Release()
			continue
		}
		require.ErrorIs(t, err, transport.ErrCorrupt)
		_, _, err = r.Head(t.Context())
		require.ErrorIs(t, err, transport.ErrCorrupt)
		_, _, err = r.Next(t.Context())
		require.ErrorIs(t, err, transport.ErrCorrupt)
	}
}

// TestFindsAlteredPrefix: what TCP adds to a chunk is not covered by the protection. If any
// bit of it is altered, the link fails at once all the same.
func TestFindsAlteredPrefix(t *testing.T) {
	const prefix = 16
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			for bit := range 8 * prefix {
				done := false
				pipes := &pipes{waiting: map[[3]int]chan net.Conn{}, of: make([][]net.Conn, 2), alter: func(p []byte) {
					if !done && len(p) > bit/8 {
						p[bit/8] ^= 1 << (bit % 8)
						done = true
					}
				}}
				var meshes [2]transport.Mesh
				for rank := range meshes {
					meshes[rank] = way.wrap(tcp.New(tcp.Config{Rank: rank, Size: 2, SlotSize: 512 + way.room, Connections: 2}, pipeEnd{pipes, rank}), rank)
				}
				s, err := meshes[0].Sender(t.Context(), 1, 0)
				require.NoError(t, err)
				slot, err := s.Acquire(t.Context())
				require.NoError(t, err)
				require.NoError(t, s.Commit(&transport.Header{1}, copy(slot, texts[0])))
				r, err := meshes[1].Receiver(t.Context(), 0, 0)
				require.NoError(t, err)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				_, _, err = r.Next(ctx)
				var rank *transport.RankError
				require.ErrorAs(t, err, &rank, "bit %d", bit)
				require.True(t, errors.Is(err, transport.ErrCorrupt) || errors.Is(err, transport.ErrProtocol), "bit %d: %v", bit, err)
				require.NoError(t, errors.Join(meshes[0].Close(), meshes[1].Close()))
			}
		})
	}
}

// deliver has chunks received, of which the first is right and the second is not.
func deliver(t *testing.T, wrap func(transport.Mesh, int) transport.Mesh, room int, headers []transport.Header, chunks [][]byte) {
	t.Helper()
	wire := inproc.NewWorld(2, inproc.Options{SlotSize: 64 + room})
	defer wire[0].Close()
	defer wire[1].Close()
	s, err := wire[0].Sender(t.Context(), 1, 0)
	require.NoError(t, err)
	for i, chunk := range chunks {
		slot, err := s.Acquire(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Commit(&headers[i], copy(slot, chunk)))
	}
	r, err := wrap(wire[1], 1).Receiver(t.Context(), 0, 0)
	require.NoError(t, err)
	h, payload, err := r.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, transport.Header{0, 7}, *h)
	require.Equal(t, texts[0], string(payload))
	r.Release()
	for range 2 {
		h, payload, err = r.Next(t.Context())
		require.ErrorIs(t, err, transport.ErrCorrupt)
		var rank *transport.RankError
		require.ErrorAs(t, err, &rank)
		require.Equal(t, 0, rank.Rank)
		require.Nil(t, h)
		require.Nil(t, payload)
		r.Release() // harmless after a failure
	}
}

func BenchmarkProtection(b *testing.B) {
	const chunk = 256 << 10
	for name, way := range ways {
		b.Run(name, func(b *testing.B) {
			wire := inproc.NewWorld(2, inproc.Options{SlotSize: chunk + way.room})
			s, _ := way.wrap(wire[0], 0).Sender(b.Context(), 1, 0)
			r, _ := way.wrap(wire[1], 1).Receiver(b.Context(), 0, 0)
			b.SetBytes(chunk)
			for b.Loop() {
				s.Acquire(b.Context())
				s.Commit(&transport.Header{}, chunk)
				if _, _, err := r.Next(b.Context()); err != nil {
					b.Fatal(err)
				}
				r.Release()
			}
		})
	}
}
