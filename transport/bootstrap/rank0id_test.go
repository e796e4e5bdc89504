package bootstrap

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMeetAtRank0: the id is the same wherever it is made, says what it is for, and keeps
// that when it is passed on.
func TestMeetAtRank0(t *testing.T) {
	secret := DeriveSecret("of the job")
	for _, c := range []struct {
		addr      string
		guessable bool
		listens   string
	}{
		{"10.0.0.1:99", false, "10.0.0.1:99"},
		{"10.0.0.1:99", true, "10.0.0.1:99"},
		{"[fd00::1]:98", true, "[fd00::1]:98"},
		{"localhost:97", false, "127.0.0.1:97"},
	} {
		id, err := MeetAtRank0(t.Context(), c.addr, secret, c.guessable, "", IPv4)
		require.NoError(t, err)
		again, err := MeetAtRank0(t.Context(), c.addr, secret, c.guessable, "", IPv4)
		require.NoError(t, err)
		require.Equal(t, id, again)
		passed, err := ParseIDText(id.Text())
		require.NoError(t, err)
		require.Equal(t, id, passed)
		require.True(t, id.AtRank0())
		require.Equal(t, c.guessable, id.Guessable())
		require.Equal(t, secret, id.Secret())
		require.Equal(t, c.listens, id.listenAddr())
		keyed := id.Keyed([]byte("a key"))
		require.True(t, keyed.AtRank0() && !keyed.Guessable(), "the key is a secret of its own")
	}
	for _, bad := range []string{"10.0.0.1", "10.0.0.1:0", ":99", "10.0.0.1:port", "0.0.0.0:99", "224.0.0.1:99", "fd00::1:98", "nosuch.invalid:99"} {
		_, err := MeetAtRank0(t.Context(), bad, secret, false, "", AnyFamily)
		require.ErrorIs(t, err, ErrAddress, bad)
	}
	usual, err := NewID(addrs("10.0.0.1:99")...)
	require.NoError(t, err)
	require.False(t, usual.AtRank0() || usual.Guessable())
}

// TestMeetAtOwnName: a host's own name means loopback on many hosts, which is no address
// for others. Then the id lists the addresses that others reach.
func TestMeetAtOwnName(t *testing.T) {
	name, err := os.Hostname()
	require.NoError(t, err)
	id, err := MeetAtRank0(t.Context(), net.JoinHostPort(name, "99"), DeriveSecret("s"), false, "", AnyFamily)
	if _, unknown := net.LookupHost(name); unknown != nil {
		require.ErrorIs(t, err, ErrAddress)
		return
	}
	require.NoError(t, err)
	require.Equal(t, ":99", id.listenAddr(), "on every interface")
	ips, err := hostAddrs("", AnyFamily, 1)
	require.NoError(t, err)
	if !ips[0].IsLoopback() {
		for _, at := range id.Roots() {
			require.False(t, at.Addr().IsLoopback(), "%v", id)
		}
	}
}

// TestConnectAtRank0: ranks that come before rank 0 wait for it, world after world, and who
// has another secret does not get in.
func TestConnectAtRank0(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	at := free.Addr().String()
	require.NoError(t, free.Close())
	connect := func(rank int, phrase string) (*Session, *Control, error) {
		id, err := MeetAtRank0(context.Background(), at, DeriveSecret(phrase), false, "", AnyFamily)
		if err != nil {
			return nil, nil, err
		}
		return Connect(context.Background(), Config{Rank: rank, Size: 2, ID: id, Timeout: 10 * time.Second, Logger: quiet, strange: 50 * time.Millisecond})
	}
	var runs []any
	for range 3 {
		type joined struct {
			s   *Session
			c   *Control
			err error
		}
		other := make(chan joined)
		go func() {
			s, c, err := connect(1, "same")
			other <- joined{s, c, err}
		}()
		s, c, err := connect(0, "same")
		o := <-other
		require.NoError(t, err)
		require.NoError(t, o.err)
		require.Equal(t, s.Run(), o.s.Run())
		runs = append(runs, s.Run())
		for _, close := range []func() error{c.Close, o.c.Close, s.Close, o.s.Close} {
			_ = close()
		}
	}
	require.NotEqual(t, runs[0], runs[1])

	stranger := make(chan error)
	root, err := NewRoot(t.Context(), RootConfig{Addr: at, Secret: DeriveSecret("ours"), Logger: quiet})
	require.NoError(t, err)
	defer root.Close()
	go func() {
		_, _, err := connect(1, "theirs")
		stranger <- err
	}()
	require.ErrorContains(t, <-stranger, fmt.Sprintf("joining the root at %s", at))
}
