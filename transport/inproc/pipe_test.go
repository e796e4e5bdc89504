package inproc_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/monel-dev/monel/transport/inproc"
)

func TestPipeCarriesBytesInOrder(t *testing.T) {
	a, b := inproc.Pipe()
	rng := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 3<<20)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	var wg sync.WaitGroup
	for _, c := range []struct{ from, to net.Conn }{{a, b}, {b, a}} {
		wg.Go(func() {
			for rest := data; len(rest) > 0; {
				n := min(len(rest), 1+len(rest)*7%200000)
				if m, err := c.from.Write(rest[:n]); m != n || err != nil {
					t.Errorf("Write: %d, %v", m, err)
					return
				}
				rest = rest[n:]
			}
		})
		wg.Go(func() {
			got := make([]byte, len(data))
			if _, err := io.ReadFull(c.to, got); err != nil || !bytes.Equal(got, data) {
				t.Errorf("read back: %v, equal: %v", err, bytes.Equal(got, data))
			}
		})
	}
	wg.Wait()
}

func TestPipeIsBuffered(t *testing.T) {
	a, b := inproc.Pipe()
	if n, err := a.Write(make([]byte, 64<<10)); n != 64<<10 || err != nil {
		t.Fatalf("Write of 64 KiB that nobody reads: %d, %v", n, err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(b)
	if len(got) != 64<<10 || err != nil {
		t.Fatalf("after Close the peer reads %d bytes, %v; want all and the end", len(got), err)
	}
}

func TestPipeWritesStayWhole(t *testing.T) {
	a, b := inproc.Pipe()
	const writers, size = 8, 100000
	for i := range writers {
		go a.Write(bytes.Repeat([]byte{byte(i)}, size)) //nolint:errcheck // the reader sees a failure
	}
	got := make([]byte, size)
	for range writers {
		if _, err := io.ReadFull(b, got); err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(got, got[:1]); n != size {
			t.Fatalf("a write of %d bytes was torn after %d", size, n)
		}
	}
}

func TestPipeClose(t *testing.T) {
	a, b := inproc.Pipe()
	blocked := make(chan error, 2)
	go func() { _, err := a.Read(make([]byte, 1)); blocked <- err }()
	go func() { _, err := a.Write(make([]byte, 1<<20)); blocked <- err }()
	time.Sleep(10 * time.Millisecond)
	for range 2 {
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := <-blocked; !errors.Is(err, net.ErrClosed) {
			t.Errorf("a waiting call on the closed end: %v, want net.ErrClosed", err)
		}
	}
	if _, err := a.Write([]byte{1}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write on the closed end: %v, want net.ErrClosed", err)
	}
	if err := a.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("SetDeadline on the closed end: %v, want net.ErrClosed", err)
	}
	if _, err := b.Write([]byte{1}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Write to a closed peer: %v, want io.ErrClosedPipe", err)
	}
	if n, err := io.Copy(io.Discard, b); n == 0 || err != nil {
		t.Errorf("the rest read from a closed peer: %d bytes, %v", n, err)
	}
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := inproc.Pipe()
		defer b.Close()
		defer a.Close()
		const wait = 90 * time.Second
		timedOut := func(what string, f func() error) {
			t.Helper()
			start := time.Now()
			err := f()
			var ne net.Error
			if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
				t.Errorf("%s: %v, want a timeout", what, err)
			}
			if got := time.Since(start); got != wait {
				t.Errorf("%s waited %v, want %v", what, got, wait)
			}
		}
		read := func() error { _, err := a.Read(make([]byte, 1)); return err }
		write := func() error { _, err := a.Write(make([]byte, 1<<20)); return err }

		a.SetReadDeadline(time.Now().Add(wait))
		timedOut("Read", read)
		a.SetWriteDeadline(time.Now().Add(wait))
		timedOut("Write", write)

		// A deadline set later holds for calls that already wait.
		a.SetDeadline(time.Time{})
		go func() {
			time.Sleep(wait / 2)
			a.SetDeadline(time.Now().Add(wait / 2))
		}()
		timedOut("Read with a deadline set meanwhile", read)

		// One put off does not fire, one in the past does at once.
		a.SetReadDeadline(time.Now().Add(wait / 3))
		a.SetReadDeadline(time.Now().Add(wait))
		timedOut("Read with its deadline put off", read)
		a.SetReadDeadline(time.Now().Add(-1))
		if err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read after its deadline: %v", err)
		}
		a.SetReadDeadline(time.Time{})
		go b.Write([]byte{1}) //nolint:errcheck // the reader sees a failure
		if err := read(); err != nil {
			t.Errorf("Read with the deadline taken back: %v", err)
		}
	})
}
