package tcp_test

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"

	"github.com/monel-dev/monel/transport/conformance"
	"github.com/monel-dev/monel/transport/tcp"
)

// BenchmarkPingPong measures round trips of 8 bytes: through the mesh, through
// its portable form, and, for comparison, through net.Conn, and through
// descriptors that are polled without end.
func BenchmarkPingPong(b *testing.B) {
	const n = 8
	b.Run("mesh", func(b *testing.B) {
		m0, m1 := pair(b, tcp.Config{})
		b.SetBytes(n)
		conformance.PingPong(b, m0, m1, n)
	})
	b.Run("portable", func(b *testing.B) {
		m0, m1 := pair(b, tcp.Config{Portable: true})
		b.SetBytes(n)
		conformance.PingPong(b, m0, m1, n)
	})
	b.Run("net.Conn", func(b *testing.B) {
		b.SetBytes(n)
		pingPong(b, n, io.ReadFull, func(c net.Conn, p []byte) error { _, err := c.Write(p); return err })
	})
	b.Run("raw polling", func(b *testing.B) {
		b.SetBytes(n)
		pingPong(b, n, pollRead, pollWrite)
	})
}

// BenchmarkStream measures full chunks one way and both ways at once. Bytes are
// counted one way.
func BenchmarkStream(b *testing.B) {
	const n = tcp.DefaultSlotSize
	for _, both := range []bool{false, true} {
		name := "one way"
		if both {
			name = "both ways"
		}
		b.Run(name+"/mesh", func(b *testing.B) {
			m0, m1 := pair(b, tcp.Config{})
			b.SetBytes(n)
			conformance.Stream(b, m0, m1, n, both)
		})
		b.Run(name+"/portable", func(b *testing.B) {
			m0, m1 := pair(b, tcp.Config{Portable: true})
			b.SetBytes(n)
			conformance.Stream(b, m0, m1, n, both)
		})
		b.Run(name+"/net.Conn", func(b *testing.B) {
			b.SetBytes(n)
			stream(b, n, both)
		})
	}
}

func benchPair(b *testing.B) (net.Conn, net.Conn) {
	b.Helper()
	sources := newSources(b, 2, nil)
	b.Cleanup(func() {
		sources[0].kill()
		sources[1].kill()
	})
	x, err := sources[0].Dial(b.Context(), 1, 0)
	if err != nil {
		b.Fatal(err)
	}
	y, err := sources[1].Accept(b.Context(), 0, 0)
	if err != nil {
		b.Fatal(err)
	}
	return x, y
}

func pingPong[R io.Reader](b *testing.B, n int, read func(R, []byte) (int, error), write func(net.Conn, []byte) error) {
	x, y := benchPair(b)
	var wg sync.WaitGroup
	wg.Go(func() {
		p := make([]byte, n)
		for range b.N {
			if _, err := read(any(y).(R), p); err != nil {
				b.Error(err)
				return
			}
			if err := write(y, p); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ResetTimer()
	p := make([]byte, n)
	for range b.N {
		if err := write(x, p); err != nil {
			b.Fatal(err)
		}
		if _, err := read(any(x).(R), p); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	wg.Wait()
}

func pollRead(c net.Conn, p []byte) (int, error) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var n int
	var failed error
	err = raw.Control(func(fd uintptr) {
		for {
			n, failed = syscall.Read(descriptor(fd), p)
			if !errors.Is(failed, syscall.EAGAIN) {
				return
			}
		}
	})
	return n, errors.Join(err, failed)
}

func pollWrite(c net.Conn, p []byte) error {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { _, failed = syscall.Write(descriptor(fd), p) })
	return errors.Join(err, failed)
}

func stream(b *testing.B, n int, both bool) {
	var wg sync.WaitGroup
	run := func(x, y net.Conn) {
		wg.Go(func() {
			p := make([]byte, n)
			for range b.N {
				if _, err := x.Write(p); err != nil {
					b.Error(err)
					return
				}
			}
		})
		wg.Go(func() {
			p := make([]byte, n)
			for range b.N {
				if _, err := io.ReadFull(y, p); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	x, y := benchPair(b)
	b.ResetTimer()
	run(x, y)
	if both {
		run(y, x)
	}
	wg.Wait()
}
