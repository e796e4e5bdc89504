package tcp

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"

	"github.com/monel-dev/monel/transport"
)

// accepted is a ConnSource whose connections are there.
type accepted []net.Conn

func (a accepted) Dial(context.Context, int, int) (net.Conn, error) {
	return nil, errors.New("nobody dials")
}
func (a accepted) Accept(_ context.Context, _, channel int) (net.Conn, error) { return a[channel], nil }

// TestStripesAsTheyCome has a peer cut chunks as this package would not: into more stripes
// than there are bytes, and into none at all. What cannot be is an error.
func TestStripesAsTheyCome(t *testing.T) {
	const connections = 3
	theirs, ours := make([]net.Conn, connections), make(accepted, connections)
	for j := range ours {
		theirs[j], ours[j] = net.Pipe()
	}
	m := New(Config{Rank: 0, Size: 2, SlotSize: 20000, Connections: connections}, ours)
	defer m.Close()
	v, err := m.Receiver(t.Context(), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, 20000)
	for i := range payload {
		payload[i] = byte(i * 7)
	}
	cuts := []stripes{{5, 3}, {0, 2}, {0, 1}, {4096, 2}, {9000, 2}, {20000, 3}, {20000, 1}, {1, 3}}
	written := make([]chan error, connections)
	for j := range connections {
		written[j] = make(chan error, 1)
		go func() {
			for i, cut := range cuts {
				var b []byte
				if j == 0 {
					b = make([]byte, headSize)
					putHead(b, &transport.Header{0: byte(i)}, cut, uint32(i))
				}
				if j < cut.count {
					lo, hi := cut.bounds(j)
					b = append(b, payload[lo:hi]...)
				}
				if len(b) == 0 {
					continue
				}
				if _, err := theirs[j].Write(b); err != nil {
					written[j] <- err
					return
				}
			}
			written[j] <- nil
		}()
	}
	for i, cut := range cuts {
		h, got, err := v.Next(t.Context())
		if err != nil || h[0] != byte(i) || !bytes.Equal(got, payload[:cut.total]) {
			t.Fatalf("chunk %d: %d bytes, header %d, %v; want %d bytes", i, len(got), h[0], err, cut.total)
		}
		v.Release()
	}
	for j := range written {
		if err := <-written[j]; err != nil {
			t.Fatal(err)
		}
	}
	head := make([]byte, headSize)
	putHead(head, &transport.Header{}, stripes{20000, connections + 1}, uint32(len(cuts)))
	go theirs[0].Write(head) //nolint:errcheck // the receiver tells
	if _, _, err := v.Next(t.Context()); !errors.Is(err, transport.ErrProtocol) {
		t.Fatalf("a stripe more than connections: %v, want ErrProtocol", err)
	}
}
