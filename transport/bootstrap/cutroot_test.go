package bootstrap

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport"
)

// A root that no rank of another host answers any more is cut off itself, and does not
// name ranks that cannot come to it.
func TestRootIsCutOff(t *testing.T) {
	for _, alive := range []bool{false, true} {
		root, err := NewRoot(context.Background(), RootConfig{Addr: "127.0.0.1:0", Logger: quiet, apart: true})
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		id := root.ID()
		mute, err := dialAuthenticated(context.Background(), id.Roots()[0], handshakeKey(id.Secret()),
			intro{version: ProtocolVersion, purpose: PurposeRendezvous, from: 1, to: rootRank}, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer mute.Close()
		g := testGreeting(1, 4)
		g.fingerprint, g.patience = "", time.Second
		if _, err := mute.Write(appendFrame(nil, frameHello, g.encode())); err != nil { // and says no more
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			if !alive {
				ended <- nil
				return
			}
			_, _, err := Connect(context.Background(), Config{Rank: 2, Size: 4, ID: id, Logger: quiet, Timeout: 2 * time.Second})
			ended <- err
		}()
		<-root.Decided()
		if err := <-ended; (err != nil) != alive {
			t.Errorf("alive %v: %v", alive, err)
		}
		root.Close()
		var e *WorldError
		if !errors.As(root.Err(), &e) || e.Reason != MissingRanks {
			t.Fatalf("%v", root.Err())
		}
		if cut := strings.Contains(e.Text, "cut off"); cut == alive || alive != slices.Equal(e.Ranks, []int{0, 3}) {
			t.Errorf("alive %v: %v names %v", alive, e, e.Ranks)
		}
	}
}

// A root that does not answer is its host's fault: that of rank 0, if it is known to be
// there.
func TestRootOfRank0IsStuck(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	id, err := MakeID(NewSecret(), addrPort(ln.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []bool{false, true} {
		_, _, err = Connect(context.Background(), Config{Rank: 1, Size: 2, ID: id, AtRank0: known, Logger: quiet, Timeout: 200 * time.Millisecond})
		want := 1
		if known {
			want = 0
		}
		var e *transport.RankError
		if !errors.As(err, &e) || e.Rank != want || !errors.Is(err, transport.ErrTimeout) {
			t.Errorf("known %v: %v", known, err)
		}
	}
}
