package bootstrap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport"
)

func testPeer(rank int) Peer {
	return Peer{Rank: rank, Addr: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(1000+rank)),
		Host: Host{Name: "host", BootID: "boot", NetNS: "net", PIDNS: "pid"}, PID: 77 + rank, Info: []byte{1, 2, byte(rank)}}
}

func testGreeting(rank, size int) *greeting {
	return &greeting{peer: testPeer(rank), size: size, instance: uint64(rank) + 1, patience: time.Minute, fingerprint: "chunk=1"}
}

func TestRoundTrips(t *testing.T) {
	g := testGreeting(3, 8)
	g.anywhere = true
	g.peer.Addr = netip.MustParseAddrPort("[fe80::1%eth0]:9")
	if got, err := decodeGreeting(g.encode()); err != nil || !reflect.DeepEqual(got, g) {
		t.Errorf("greeting: %+v, %v", got, err)
	}
	table := &Table{session: sessionID{9}}
	for r := range 5 {
		table.Peers = append(table.Peers, testPeer(r))
	}
	if got, err := decodeTable(table.encode(), 5); err != nil || !reflect.DeepEqual(got, table) {
		t.Errorf("table: %+v, %v", got, err)
	}
	for _, size := range []int{4, 6} {
		if _, err := decodeTable(table.encode(), size); !errors.Is(err, transport.ErrProtocol) {
			t.Errorf("table of another size: %v", err)
		}
	}
	e := &WorldError{MissingRanks, []int{1, 2, 3}, "text"}
	if got, err := decodeWorldError(e.encode()); err != nil || !reflect.DeepEqual(got, e) {
		t.Errorf("world error: %+v, %v", got, err)
	}
	long := &WorldError{MissingRanks, make([]int, 3*MaxNamedRanks), strings.Repeat("x", 2*maxText)}
	if got, err := decodeWorldError(long.encode()); err != nil || len(got.Ranks) != MaxNamedRanks || len(got.Text) != maxText {
		t.Errorf("long world error: %v", err)
	}
}

func TestWorldErrorWraps(t *testing.T) {
	for reason, want := range map[Reason]error{MissingRanks: transport.ErrTimeout, DuplicateRank: ErrLaunch, SizeMismatch: ErrLaunch,
		ConfigMismatch: ErrLaunch, VersionMismatch: transport.ErrVersion, RootClosed: transport.ErrClosed, RankRange: ErrLaunch} {
		e := &WorldError{Reason: reason, Text: "why"}
		if !errors.Is(e, want) || !strings.Contains(e.Error(), "why") {
			t.Errorf("%d: %v", reason, e)
		}
	}
}

func TestCausesKeepTheirIdentity(t *testing.T) {
	own := errors.New("of the layer above")
	c := codec{size: 4, extra: []error{own}}
	for _, sentinel := range append([]error{own}, causes...) {
		e := &transport.RankError{Rank: 2, Doing: "all_reduce 7", Err: fmt.Errorf("a reason: %w", sentinel)}
		got, err := c.decode(c.encode(e))
		if err != nil {
			t.Fatal(err)
		}
		if !errors.Is(got, sentinel) || got.Error() != e.Error() || got.Rank != 2 {
			t.Errorf("%v became %v", e, got)
		}
		if again := c.normal(got); again.Error() != got.Error() {
			t.Errorf("%v became %v", got, again)
		}
	}
	// A cause without a sentinel is a rank that gives up.
	for _, cause := range []error{errors.New("disk full"), nil} {
		got, err := c.decode(c.encode(&transport.RankError{Rank: 1, Err: cause}))
		if err != nil || !errors.Is(got, transport.ErrAborted) {
			t.Errorf("%v: %v, %v", cause, got, err)
		}
	}
}

// An honest length field is no reason to believe it: memory follows what came.
func TestReadFrameMemory(t *testing.T) {
	var h [frameHeader]byte
	binary.LittleEndian.PutUint32(h[:], 1<<30)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := readFrame(bytes.NewReader(h[:]), 1<<30)
	runtime.ReadMemStats(&after)
	if err != io.ErrUnexpectedEOF || after.TotalAlloc-before.TotalAlloc > 1<<20 {
		t.Errorf("%v after %d bytes", err, after.TotalAlloc-before.TotalAlloc)
	}
	if _, _, err := readFrame(bytes.NewReader(h[:]), 1<<20); !errors.Is(err, transport.ErrProtocol) {
		t.Errorf("too long: %v", err)
	}
}

// FuzzPayloads gives every decoder of the control plane arbitrary bytes. What it
// accepts must be what it would have sent.
func FuzzPayloads(f *testing.F) {
	f.Add(uint8(0), testGreeting(1, 4).encode())
	f.Add(uint8(1), (&Table{Peers: []Peer{testPeer(0), testPeer(1)}}).encode())
	f.Add(uint8(2), (&WorldError{SizeMismatch, []int{1, 2}, "text"}).encode())
	c := codec{size: 4, extra: []error{errors.New("x")}}
	f.Add(uint8(3), c.encode(&transport.RankError{Rank: 1, Doing: "d", Err: transport.ErrPeerLost}))
	f.Add(uint8(4), appendFrame(nil, frameMessage, []byte("hello")))
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		var again []byte
		var err error
		switch kind % 5 {
		case 0:
			var g *greeting
			if g, err = decodeGreeting(b); err == nil {
				if g.size < 1 || g.size > MaxSize || g.peer.Rank < 0 || g.peer.Rank >= MaxSize || g.patience < 0 {
					t.Errorf("%+v", g)
				}
				again = g.encode()
			}
		case 1:
			var table *Table
			if table, err = decodeTable(b, 2); err == nil {
				again = table.encode()
			}
		case 2:
			var e *WorldError
			if e, err = decodeWorldError(b); err == nil {
				_ = e.Error()
				again = e.encode()
			}
		case 3:
			var e *transport.RankError
			if e, err = c.decode(b); err == nil {
				_ = e.Error()
				again = c.encode(e)
			}
		case 4:
			var ft frameType
			var p []byte
			if ft, p, err = readFrame(bytes.NewReader(b), 1<<16); err == nil {
				again = appendFrame(nil, ft, p)
				b = b[:len(again)]
			} else if err == io.EOF || err == io.ErrUnexpectedEOF {
				return
			}
		}
		if err != nil {
			if !errors.Is(err, transport.ErrProtocol) {
				t.Error(err)
			}
			return
		}
		if !bytes.Equal(again, b) {
			t.Errorf("%x was accepted, but is sent as %x", b, again)
		}
	})
}
