package bootstrap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/monel-dev/monel/transport"
)

var testIntro = intro{version: ProtocolVersion, purpose: PurposeData, session: sessionID{1, 2, 3}, from: 3, to: 5, channel: 7}

func allow(intro) status { return statusOK }

func testDoorman(secret Secret) *doorman {
	return &doorman{key: handshakeKey(secret), version: ProtocolVersion, timeout: strangerTime, decide: allow}
}

// tap records what is written, and may alter it.
type tap struct {
	net.Conn
	alter   func(b []byte)
	written bytes.Buffer
}

func (c *tap) Write(b []byte) (int, error) {
	b = bytes.Clone(b)
	if c.alter != nil {
		c.alter(b)
	}
	c.written.Write(b)
	return c.Conn.Write(b)
}

// shake runs both sides over a pipe.
func shake(dial, accept *tap, dialer, listener Secret, in intro, d *doorman) (got intro, dialErr, acceptErr error) {
	a, b := net.Pipe()
	dial.Conn, accept.Conn = a, b
	var wg sync.WaitGroup
	wg.Go(func() {
		defer a.Close()
		_, dialErr = dialHandshake(dial, handshakeKey(dialer), in, strangerTime)
	})
	wg.Go(func() {
		defer b.Close()
		d.key = handshakeKey(listener)
		_, got, acceptErr = d.accept(accept)
	})
	wg.Wait()
	return got, dialErr, acceptErr
}

func TestHandshake(t *testing.T) {
	secret := NewSecret()
	got, dialErr, acceptErr := shake(&tap{}, &tap{}, secret, secret, testIntro, testDoorman(secret))
	if dialErr != nil || acceptErr != nil || got != testIntro {
		t.Fatalf("%+v, %v, %v", got, dialErr, acceptErr)
	}
}

func TestHandshakeWrongSecret(t *testing.T) {
	decided := false
	d := testDoorman(Secret{})
	d.decide = func(intro) status { decided = true; return statusOK }
	_, dialErr, acceptErr := shake(&tap{}, &tap{}, NewSecret(), NewSecret(), testIntro, d)
	if !errors.Is(dialErr, transport.ErrUnauthenticated) || !strings.Contains(dialErr.Error(), "same unique id or secret") {
		t.Errorf("dialer: %v", dialErr)
	}
	if !errors.Is(acceptErr, transport.ErrUnauthenticated) || decided {
		t.Errorf("listener: %v, decided: %v", acceptErr, decided)
	}
}

func TestHandshakeVersion(t *testing.T) {
	secret := NewSecret()
	in := testIntro
	in.version = 41
	_, dialErr, acceptErr := shake(&tap{}, &tap{}, secret, secret, in, testDoorman(secret))
	for side, err := range map[string]error{"dialer": dialErr, "listener": acceptErr} {
		if !errors.Is(err, transport.ErrVersion) || !strings.Contains(err.Error(), "41") || !strings.Contains(err.Error(), fmt.Sprint("version ", ProtocolVersion)) {
			t.Errorf("%s: %v", side, err)
		}
	}
	// Versions are not told to whoever has another secret.
	_, dialErr, acceptErr = shake(&tap{}, &tap{}, NewSecret(), secret, in, testDoorman(secret))
	if !errors.Is(dialErr, transport.ErrUnauthenticated) || !errors.Is(acceptErr, transport.ErrUnauthenticated) {
		t.Errorf("%v; %v", dialErr, acceptErr)
	}
}

func TestHandshakeRefusals(t *testing.T) {
	secret := NewSecret()
	for st := statusWrongRank; st < numStatus+1; st++ {
		d := testDoorman(secret)
		d.decide = func(intro) status { return st }
		_, dialErr, acceptErr := shake(&tap{}, &tap{}, secret, secret, testIntro, d)
		if dialErr == nil || acceptErr == nil {
			t.Errorf("status %d: %v; %v", st, dialErr, acceptErr)
		}
	}
}

// Whatever byte of whatever message is altered on the way, no side is satisfied
// with what the other has not said.
func TestHandshakeAltered(t *testing.T) {
	secret := NewSecret()
	for at := range introSize + proofSize {
		seen := 0
		alter := func(b []byte) {
			if at >= seen && at < seen+len(b) {
				b[at-seen] ^= 1
			}
			seen += len(b)
		}
		_, dialErr, acceptErr := shake(&tap{alter: alter}, &tap{}, secret, secret, testIntro, testDoorman(secret))
		if dialErr == nil || acceptErr == nil {
			t.Errorf("byte %d of the dialer: %v; %v", at, dialErr, acceptErr)
		}
	}
	for at := range answerSize + outcomeSize {
		seen := 0
		alter := func(b []byte) {
			if at >= seen && at < seen+len(b) {
				b[at-seen] ^= 1
			}
			seen += len(b)
		}
		_, dialErr, _ := shake(&tap{}, &tap{alter: alter}, secret, secret, testIntro, testDoorman(secret))
		if dialErr == nil {
			t.Errorf("byte %d of the listener passes", at)
		}
	}
}

// play writes a recorded conversation and reads what comes until it ends.
func play(conn net.Conn, script ...[]byte) {
	go io.Copy(io.Discard, conn)
	for _, b := range script {
		conn.Write(b)
	}
}

func TestHandshakeReplay(t *testing.T) {
	secret := NewSecret()
	dial, accept := &tap{}, &tap{}
	if _, a, b := shake(dial, accept, secret, secret, testIntro, testDoorman(secret)); a != nil || b != nil {
		t.Fatal(a, b)
	}
	// To a listener.
	a, b := net.Pipe()
	go play(a, dial.written.Bytes())
	if _, _, err := testDoorman(secret).accept(b); !errors.Is(err, transport.ErrUnauthenticated) {
		t.Errorf("a replayed dialer: %v", err)
	}
	a.Close()
	// To a dialer.
	a, b = net.Pipe()
	go play(a, accept.written.Bytes())
	if _, err := dialHandshake(b, handshakeKey(secret), testIntro, strangerTime); !errors.Is(err, transport.ErrUnauthenticated) {
		t.Errorf("a replayed listener: %v", err)
	}
	a.Close()
}

// A peer without the secret sends a dialer its own messages back.
func TestHandshakeReflection(t *testing.T) {
	secret := NewSecret()
	a, b := net.Pipe()
	defer a.Close()
	go func() {
		var hello [introSize]byte
		io.ReadFull(a, hello[:])
		answer := append([]byte(handshakeMagic), make([]byte, 8)...)
		answer = append(answer, hello[40:]...) // its own nonce as ours
		a.Write(answer)
		var proof [proofSize]byte
		io.ReadFull(a, proof[:])
		a.Write(append(make([]byte, 8), proof[:]...)) // its own proof as ours
	}()
	if _, err := dialHandshake(b, handshakeKey(secret), testIntro, strangerTime); !errors.Is(err, transport.ErrUnauthenticated) {
		t.Errorf("%v", err)
	}
}

// However slowly a stranger speaks, it is done with in the time given.
func TestHandshakeSlow(t *testing.T) {
	for name, stranger := range map[string]func(conn net.Conn){
		"says nothing": func(net.Conn) {},
		"a byte at a time": func(conn net.Conn) {
			hello := testIntro.encode(&[nonceSize]byte{})
			for _, b := range hello {
				time.Sleep(500 * time.Millisecond)
				if _, err := conn.Write([]byte{b}); err != nil {
					return
				}
			}
		},
		"stops after the introduction": func(conn net.Conn) {
			hello := testIntro.encode(&[nonceSize]byte{})
			play(conn, hello[:])
		},
		"does not read": func(conn net.Conn) {
			hello := testIntro.encode(&[nonceSize]byte{})
			conn.Write(hello[:])
		},
	} {
		t.Run("listener, dialer "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				var wg sync.WaitGroup
				wg.Go(func() { stranger(a) })
				began := time.Now()
				_, _, err := testDoorman(NewSecret()).accept(b)
				if took := time.Since(began); !errors.Is(err, transport.ErrTimeout) || took != strangerTime {
					t.Errorf("after %v: %v", took, err)
				}
				a.Close()
				b.Close()
				wg.Wait()
			})
		})
	}
	t.Run("dialer, listener says nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			go io.Copy(io.Discard, a)
			began := time.Now()
			_, err := dialHandshake(b, handshakeKey(NewSecret()), testIntro, strangerTime)
			if took := time.Since(began); !errors.Is(err, transport.ErrTimeout) || took != strangerTime {
				t.Errorf("after %v: %v", took, err)
			}
			a.Close()
			b.Close()
		})
	})
}

// script is a connection that says what is in it and swallows the rest.
type script struct{ io.Reader }

func (script) Write(b []byte) (int, error)      { return len(b), nil }
func (script) Close() error                     { return nil }
func (script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (script) SetDeadline(time.Time) error      { return nil }
func (script) SetReadDeadline(time.Time) error  { return nil }
func (script) SetWriteDeadline(time.Time) error { return nil }

func FuzzHandshake(f *testing.F) {
	secret := DeriveSecret("seed")
	dial, accept := &tap{}, &tap{}
	if _, a, b := shake(dial, accept, secret, secret, testIntro, testDoorman(secret)); a != nil || b != nil {
		f.Fatal(a, b)
	}
	f.Add(dial.written.Bytes(), false)
	f.Add(accept.written.Bytes(), true)
	f.Fuzz(func(t *testing.T, b []byte, dialing bool) {
		conn := script{bytes.NewReader(b)}
		if dialing {
			if _, err := dialHandshake(conn, handshakeKey(secret), testIntro, time.Second); err == nil {
				t.Error("a dialer is satisfied")
			}
			return
		}
		d := testDoorman(secret)
		d.decide = func(intro) status { t.Error("a listener is satisfied"); return statusOK }
		if _, _, err := d.accept(conn); err == nil {
			t.Error("a listener is satisfied")
		}
	})
}

// BenchmarkHandshake is what a handshake takes in memory, and over loopback, the making of
// the connection included; beside it a connection over which one byte goes there and one
// back. BenchmarkConnect is what Init does besides making links; a rank makes two
// connections there, one to the root and one to rank 0.
func BenchmarkHandshake(b *testing.B) {
	secret := NewSecret()
	b.Run("memory", func(b *testing.B) {
		for b.Loop() {
			if _, x, y := shake(&tap{}, &tap{}, secret, secret, testIntro, testDoorman(secret)); x != nil || y != nil {
				b.Fatal(x, y)
			}
		}
	})
	b.Run("loopback", func(b *testing.B) {
		d, key := testDoorman(secret), handshakeKey(secret)
		addr := acceptAll(b, func(conn net.Conn) { _, _, _ = d.accept(conn) })
		for b.Loop() {
			conn, err := dialAuthenticated(b.Context(), addr, key, testIntro, strangerTime)
			if err != nil {
				b.Fatal(err)
			}
			conn.Close()
		}
	})
	b.Run("connection alone", func(b *testing.B) {
		addr := acceptAll(b, func(conn net.Conn) { _, _ = io.CopyN(conn, conn, 1) })
		for b.Loop() {
			conn, err := net.Dial("tcp", addr.String())
			if err != nil {
				b.Fatal(err)
			}
			one := []byte{1}
			if _, err = conn.Write(one); err == nil {
				_, err = io.ReadFull(conn, one)
			}
			if err != nil {
				b.Fatal(err)
			}
			conn.Close()
		}
	})
}

// acceptAll serves the connections to an address, one after the other.
func acceptAll(b *testing.B, serve func(net.Conn)) netip.AddrPort {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serve(conn)
			conn.Close()
		}
	}()
	return addrPort(ln.Addr())
}
