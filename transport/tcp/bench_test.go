package tcp_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/tcp"
)

// The benchmarks run between two processes, as ranks do. "mesh" is this
// package, "portable" its portable form, and "connections" has four of them in a
// link; for comparison, "net.Conn" moves the
// same bytes with its blocking methods, and "polling" polls the descriptors
// without end.

// BenchmarkPingPong measures round trips of 8 bytes.
func BenchmarkPingPong(b *testing.B) {
	const n = 8
	b.Run("mesh", func(b *testing.B) { meshEcho(b, "echo", tcp.Config{}, n, 1) })
	b.Run("portable", func(b *testing.B) { meshEcho(b, "echo portable", tcp.Config{Portable: true}, n, 1) })
	b.Run("net.Conn", func(b *testing.B) { rawEcho(b, "echo net.Conn", n, readConn, writeConn) })
	b.Run("polling", func(b *testing.B) { rawEcho(b, "echo polling", n, pollRead, pollWrite) })
}

// BenchmarkAlternate has 256 KiB go to the peer and back, by turns. Bytes are
// counted one way.
func BenchmarkAlternate(b *testing.B) {
	const n = tcp.DefaultSlotSize
	b.Run("mesh", func(b *testing.B) { meshEcho(b, "echo", tcp.Config{}, n, 1) })
	b.Run("portable", func(b *testing.B) { meshEcho(b, "echo portable", tcp.Config{Portable: true}, n, 1) })
	b.Run("net.Conn", func(b *testing.B) { rawEcho(b, "echo net.Conn", n, readConn, writeConn) })
	b.Run("polling", func(b *testing.B) { rawEcho(b, "echo polling", n, pollRead, pollWrite) })
}

// BenchmarkExchange keeps a few chunks of 256 KiB under way to the peer, which
// sends each back, so that bytes flow both ways at once, as in a ring. Bytes are
// counted one way.
func BenchmarkExchange(b *testing.B) {
	const n = tcp.DefaultSlotSize
	b.Run("mesh", func(b *testing.B) { meshEcho(b, "echo", tcp.Config{}, n, 3) })
	b.Run("connections", func(b *testing.B) { meshEcho(b, "echo connections", tcp.Config{Connections: 4}, n, 3) })
	b.Run("portable", func(b *testing.B) { meshEcho(b, "echo portable", tcp.Config{Portable: true}, n, 3) })
}

// BenchmarkStream sends chunks of 256 KiB one way.
func BenchmarkStream(b *testing.B) {
	const n = tcp.DefaultSlotSize
	b.Run("mesh", func(b *testing.B) { meshStream(b, "echo", tcp.Config{}, n) })
	b.Run("connections", func(b *testing.B) { meshStream(b, "echo connections", tcp.Config{Connections: 4}, n) })
	b.Run("portable", func(b *testing.B) { meshStream(b, "echo portable", tcp.Config{Portable: true}, n) })
	b.Run("net.Conn", func(b *testing.B) { rawStream(b, "echo net.Conn", n, readConn, writeConn) })
	b.Run("polling", func(b *testing.B) { rawStream(b, "echo polling", n, pollRead, pollWrite) })
}

const warmup = 20

// meshEcho sends chunks that the peer sends back, window of them under way.
func meshEcho(b *testing.B, role string, cfg tcp.Config, n, window int) {
	s, v := meshLink(b, role, cfg)
	b.SetBytes(int64(n))
	run := func(count int) {
		for i := range count + window {
			if i < count {
				send(b, s, n, 1)
			}
			if i >= window-1 && i-window+1 < count {
				receive(b, v)
			}
		}
	}
	run(warmup)
	b.ResetTimer()
	run(b.N)
	b.StopTimer()
}

// meshStream sends chunks of which the peer answers the last.
func meshStream(b *testing.B, role string, cfg tcp.Config, n int) {
	s, v := meshLink(b, role, cfg)
	b.SetBytes(int64(n))
	run := func(count int) {
		for range count {
			send(b, s, n, 0)
		}
		send(b, s, 0, 1)
		receive(b, v)
	}
	run(warmup)
	b.ResetTimer()
	run(b.N)
	b.StopTimer()
}

func meshLink(b *testing.B, role string, cfg tcp.Config) (transport.Sender, transport.Receiver) {
	b.Helper()
	self, _ := startPeer(b, role)
	cfg.Rank, cfg.Size = 0, 2
	m := tcp.New(cfg, self)
	b.Cleanup(func() { m.Close() })
	s, err := m.Sender(b.Context(), 1, 0)
	if err != nil {
		b.Fatal(err)
	}
	v, err := m.Receiver(b.Context(), 1, 0)
	if err != nil {
		b.Fatal(err)
	}
	return s, v
}

func send(b *testing.B, s transport.Sender, n int, answer byte) {
	if _, err := s.Acquire(context.Background()); err != nil {
		b.Fatal(err)
	}
	if err := s.Commit(&transport.Header{answer}, n); err != nil {
		b.Fatal(err)
	}
}

func receive(b *testing.B, v transport.Receiver) {
	if _, _, err := v.Next(context.Background()); err != nil {
		b.Fatal(err)
	}
	v.Release()
}

// The raw peers speak of messages, each a length, whether to send it back, and
// so many bytes.
type (
	readFunc  func(net.Conn, []byte) (int, error)
	writeFunc func(net.Conn, []byte) error
)

const rawHead = 8

func rawMessage(n int, answer byte) []byte {
	p := make([]byte, rawHead+n)
	binary.LittleEndian.PutUint32(p, uint32(n))
	p[4] = answer
	return p
}

func echoRaw(s *source, read readFunc, write writeFunc) error {
	conn, err := s.Accept(context.Background(), 0, 0)
	if err != nil {
		return err
	}
	buf := make([]byte, rawHead+tcp.DefaultSlotSize)
	for {
		if _, err := read(conn, buf[:rawHead]); err != nil {
			return err
		}
		n := rawHead + int(binary.LittleEndian.Uint32(buf))
		if _, err := read(conn, buf[rawHead:n]); err != nil {
			return err
		}
		if buf[4] == 1 {
			if err := write(conn, buf[:n]); err != nil {
				return err
			}
		}
	}
}

func rawEcho(b *testing.B, role string, n int, read readFunc, write writeFunc) {
	conn := rawLink(b, role)
	b.SetBytes(int64(n))
	p := rawMessage(n, 1)
	run := func(count int) {
		for range count {
			if err := write(conn, p); err != nil {
				b.Fatal(err)
			}
			if _, err := read(conn, p); err != nil {
				b.Fatal(err)
			}
		}
	}
	run(warmup)
	b.ResetTimer()
	run(b.N)
	b.StopTimer()
}

func rawStream(b *testing.B, role string, n int, read readFunc, write writeFunc) {
	conn := rawLink(b, role)
	b.SetBytes(int64(n))
	p, last := rawMessage(n, 0), rawMessage(0, 1)
	run := func(count int) {
		for range count {
			if err := write(conn, p); err != nil {
				b.Fatal(err)
			}
		}
		if err := write(conn, last); err != nil {
			b.Fatal(err)
		}
		if _, err := read(conn, last); err != nil {
			b.Fatal(err)
		}
	}
	run(warmup)
	b.ResetTimer()
	run(b.N)
	b.StopTimer()
}

func rawLink(b *testing.B, role string) net.Conn {
	b.Helper()
	self, _ := startPeer(b, role)
	conn, err := self.Dial(b.Context(), 1, 0)
	if err != nil {
		b.Fatal(err)
	}
	return conn
}

func writeConn(c net.Conn, p []byte) error {
	_, err := c.Write(p)
	return err
}

func pollRead(c net.Conn, p []byte) (int, error) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	got := 0
	var failed error
	err = raw.Control(func(fd uintptr) {
		for got < len(p) && failed == nil {
			n, err := syscall.Read(descriptor(fd), p[got:])
			switch {
			case errors.Is(err, syscall.EAGAIN):
			case err != nil:
				failed = err
			case n == 0:
				failed = io.EOF
			default:
				got += n
			}
		}
	})
	return got, errors.Join(err, failed)
}

func pollWrite(c net.Conn, p []byte) error {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		for len(p) > 0 && failed == nil {
			n, err := syscall.Write(descriptor(fd), p)
			switch {
			case errors.Is(err, syscall.EAGAIN):
			case err != nil:
				failed = err
			default:
				p = p[n:]
			}
		}
	})
	return errors.Join(err, failed)
}

func readConn(c net.Conn, p []byte) (int, error) { return io.ReadFull(c, p) }
