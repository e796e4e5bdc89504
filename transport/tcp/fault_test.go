package tcp_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/tcp"
)

// scripted is a ConnSource whose calls the test answers.
type scripted struct {
	dial, accept func(ctx context.Context) (net.Conn, error)
}

func (s scripted) Dial(ctx context.Context, _, _ int) (net.Conn, error)   { return s.dial(ctx) }
func (s scripted) Accept(ctx context.Context, _, _ int) (net.Conn, error) { return s.accept(ctx) }

// tcpPair returns the two ends of a loopback connection.
func tcpPair(t *testing.T) (net.Conn, net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	a, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

// headOf is the head of a link's first frame, of n bytes.
func headOf(n uint32) string {
	b := make([]byte, 16+transport.HeaderSize)
	binary.LittleEndian.PutUint32(b, n)
	binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(b[:12], crc32.MakeTable(crc32.Castagnoli)))
	return string(b)
}

func TestHostileBytes(t *testing.T) {
	tooLong := binary.LittleEndian.AppendUint32(nil, tcp.DefaultSlotSize+1)
	for _, c := range []struct {
		name, bytes string
		want        error
		text        string
	}{
		{"length beyond a slot", string(tooLong) + strings.Repeat("\x00", 100), transport.ErrProtocol, "262145"},
		{"another protocol", strings.Repeat("GET / HTTP/1.1\r\n", 10), transport.ErrProtocol, "frame"},
		{"end at once", "", transport.ErrPeerLost, "ended"},
		{"end amid a head", "\x05\x00", transport.ErrPeerLost, "amid a chunk"},
		{"end amid a payload", headOf(5) + "\x00\x00", transport.ErrPeerLost, "amid a chunk"},
		{"altered head", "\x04" + headOf(5)[1:], transport.ErrCorrupt, "head of frame 0"},
	} {
		for _, portable := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/portable=%v", c.name, portable), func(t *testing.T) {
				ours, theirs := tcpPair(t)
				m := tcp.New(tcp.Config{Rank: 0, Size: 9, Portable: portable}, scripted{
					accept: func(context.Context) (net.Conn, error) { return ours, nil },
				})
				defer m.Close()
				if _, err := io.WriteString(theirs, c.bytes); err != nil {
					t.Fatal(err)
				}
				theirs.Close()
				v, err := m.Receiver(t.Context(), 7, 0)
				if err != nil {
					t.Fatal(err)
				}
				for range 2 {
					_, _, err := v.Next(t.Context())
					var re *transport.RankError
					if !errors.As(err, &re) || re.Rank != 7 || !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
						t.Fatalf("Next: %v; want a RankError about rank 7, %v, saying %q", err, c.want, c.text)
					}
				}
			})
		}
	}
}

// TestSourceErrors checks what becomes of a connection that cannot be made, and
// that a later call tries again.
func TestSourceErrors(t *testing.T) {
	refused := errors.New("connection refused")
	strange := &transport.RankError{Rank: 3, Doing: "shaking hands", Err: transport.ErrUnauthenticated}
	for _, c := range []struct {
		give error
		rank int
		want error
	}{
		{refused, 1, transport.ErrPeerLost},
		{refused, 1, refused},
		{fmt.Errorf("greeting: %w", transport.ErrVersion), 1, transport.ErrVersion},
		{strange, 3, transport.ErrUnauthenticated},
	} {
		give := c.give
		ours, theirs := tcpPair(t)
		get := func(context.Context) (net.Conn, error) {
			if give != nil {
				return nil, give
			}
			return ours, nil
		}
		m := tcp.New(tcp.Config{Rank: 0, Size: 4}, scripted{get, get})
		defer m.Close()
		_, err := m.Sender(t.Context(), 1, 0)
		var re *transport.RankError
		if !errors.As(err, &re) || re.Rank != c.rank || !errors.Is(err, c.want) {
			t.Errorf("Sender, the source saying %v: %v", c.give, err)
		}
		v, err := m.Receiver(t.Context(), 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := v.Next(t.Context()); !errors.As(err, &re) || re.Rank != c.rank || !errors.Is(err, c.want) {
			t.Errorf("Next, the source saying %v: %v", c.give, err)
		}
		give = nil
		s, err := m.Sender(t.Context(), 1, 0)
		if err != nil {
			t.Fatalf("Sender, once the source works: %v", err)
		}
		if err := put(t.Context(), s, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if got, err := readFrame(theirs); err != nil || got != "hello" {
			t.Errorf("the peer reads %q, %v", got, err)
		}
	}
}

// readFrame reads a frame as a peer of another making would.
func readFrame(r io.Reader) (string, error) {
	head := make([]byte, 16+transport.HeaderSize)
	if _, err := io.ReadFull(r, head); err != nil {
		return "", err
	}
	payload := make([]byte, binary.LittleEndian.Uint32(head))
	_, err := io.ReadFull(r, payload)
	return string(payload), err
}

// TestWaitingForConnection ends waits for a connection by each of the ways
// there are.
func TestWaitingForConnection(t *testing.T) {
	never := func(ctx context.Context) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	m := tcp.New(tcp.Config{Rank: 0, Size: 2}, scripted{never, never})
	v, err := m.Receiver(t.Context(), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]func(ctx context.Context) error{
		"Sender": func(ctx context.Context) error { _, err := m.Sender(ctx, 1, 0); return err },
		"Next":   func(ctx context.Context) error { _, _, err := v.Next(ctx); return err },
	}
	for name, call := range calls {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if err := call(ctx); err != context.DeadlineExceeded {
			t.Errorf("%s: %v, want the context's own error", name, err)
		}
		cancel()
	}
	results := make(chan error)
	for _, call := range calls {
		go func() { results <- call(t.Context()) }()
	}
	time.Sleep(10 * time.Millisecond)
	m.Close()
	for range calls {
		if err := <-results; !errors.Is(err, transport.ErrClosed) {
			t.Errorf("%v, want ErrClosed", err)
		}
	}
}

func TestNewRefusesNonsense(t *testing.T) {
	for _, cfg := range []tcp.Config{
		{}, {Size: -1}, {Rank: 2, Size: 2}, {Rank: -1, Size: 2},
		{Size: 2, Slots: 1}, {Size: 2, SlotSize: -1}, {Size: 2, SlotSize: 1 << 31},
		{Size: 2, Connections: -1}, {Size: 2, Connections: tcp.MaxConnections + 1},
		{Size: 2, NearConnections: tcp.MaxConnections + 1}, {Size: 2, Stripe: -1},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("New(%+v) does not panic", cfg)
				}
			}()
			tcp.New(cfg, nil)
		}()
	}
}

// TestLateConnection has a connection come about after Close has begun.
func TestLateConnection(t *testing.T) {
	ours, theirs := tcpPair(t)
	late := func(ctx context.Context) (net.Conn, error) {
		<-ctx.Done()
		return ours, nil
	}
	m := tcp.New(tcp.Config{Rank: 0, Size: 2}, scripted{late, late})
	time.AfterFunc(10*time.Millisecond, func() { m.Close() })
	if _, err := m.Sender(t.Context(), 1, 0); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("Sender: %v, want ErrClosed", err)
	}
	theirs.SetReadDeadline(time.Now().Add(30 * time.Second)) //nolint:errcheck // Read fails then
	if n, err := theirs.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("the peer reads %d bytes, %v; want the end of the connection", n, err)
	}
}

// TestCloseWakesBeforeLinger has Close wait for a peer that does not read, while
// the goroutine that wanted to send more learns of it at once.
func TestCloseWakesBeforeLinger(t *testing.T) {
	ours, theirs := tcpPair(t)
	m := tcp.New(tcp.Config{Rank: 0, Size: 2, Linger: time.Hour}, scripted{
		dial: func(context.Context) (net.Conn, error) { return ours, nil },
	})
	s, err := m.Sender(t.Context(), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	full := make([]byte, m.SlotSize())
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err := put(ctx, s, full)
		cancel()
		if err == context.DeadlineExceeded {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	waiter := make(chan error)
	go func() {
		var err error
		for err == nil {
			err = put(t.Context(), s, full)
		}
		waiter <- err
	}()
	time.Sleep(10 * time.Millisecond)
	closed := make(chan struct{})
	go func() {
		m.Close()
		close(closed)
	}()
	if err := <-waiter; !errors.Is(err, transport.ErrClosed) {
		t.Errorf("a waiting Acquire: %v, want ErrClosed", err)
	}
	select {
	case <-closed:
		t.Error("Close has not waited for the peer to read")
	default:
	}
	theirs.Close() // no reader any more
	<-closed
}
