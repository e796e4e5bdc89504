package bootstrap

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport"
)

// A rank that came and went is named to those that wait, long before their time is up,
// although others have not come yet; one that comes back in time is not missed.
func TestLostRankEndsTheWait(t *testing.T) {
	root, err := NewRoot(context.Background(), RootConfig{Addr: "127.0.0.1:0", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	back := knock(t, root.ID(), 2, 5, 7)
	gone := knock(t, root.ID(), 3, 5, 8)
	again := make(chan net.Conn, 1)
	defer func() { (<-again).Close() }()
	time.AfterFunc(50*time.Millisecond, func() { back.Close(); gone.Close() })
	time.AfterFunc(100*time.Millisecond, func() { again <- knock(t, root.ID(), 2, 5, 7) })
	errs := make(chan error, 2)
	for rank := range 2 { // rank 4 never comes
		go func() {
			_, _, err := Connect(context.Background(), Config{Rank: rank, Size: 5, ID: root.ID(), Logger: quiet, Timeout: time.Minute})
			errs <- err
		}()
	}
	for range 2 {
		err := <-errs
		var e *WorldError
		if !errors.As(err, &e) || e.Reason != LostRank || len(e.Ranks) != 1 || e.Ranks[0] != 3 || !errors.Is(err, transport.ErrPeerLost) {
			t.Errorf("%v", err)
		}
		says(t, err, "rank 3", "came and went")
	}
}
