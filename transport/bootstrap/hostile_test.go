package bootstrap

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/monel-dev/monel/transport"
)

// Bytes that no correct peer sends cost it its membership, and nobody a panic.
func TestHostileFrames(t *testing.T) {
	verdict := (&codec{size: 2}).encode(&transport.RankError{Rank: 1, Err: transport.ErrPeerLost})
	for name, frame := range map[string][]byte{
		"unknown type":      appendFrame(nil, 99, nil),
		"from a rendezvous": appendFrame(nil, frameHello, testGreeting(1, 2).encode()),
		"too long":          {0xff, 0xff, 0xff, 0xff, byte(frameMessage), 0, 0, 0},
		"reserved bytes":    {0, 0, 0, 0, byte(frameBeat), 1, 0, 0},
		"fat heartbeat":     appendFrame(nil, frameBeat, []byte{1}),
		"fat farewell":      appendFrame(nil, frameBye, []byte{1}),
		"fat ready":         appendFrame(nil, frameReady, []byte{1}),
		"ready twice":       appendFrame(appendFrame(nil, frameReady, nil), frameReady, nil),
		"empty report":      appendFrame(nil, frameReport, nil),
		"empty verdict":     appendFrame(nil, frameVerdict, nil),
		"long verdict":      appendFrame(nil, frameVerdict, append(verdict, 0)),
		"half a frame":      appendFrame(nil, frameMessage, make([]byte, 100))[:50],
	} {
		for _, coordinator := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, coordinator %v", name, coordinator), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b := net.Pipe()
					go io.Copy(io.Discard, a)
					var c *Control
					var err error
					if coordinator {
						c, err = NewCoordinator(ControlConfig{Logger: quiet}, []net.Conn{nil, b})
					} else {
						c, err = NewMember(ControlConfig{Logger: quiet}, 1, 2, b)
					}
					if err != nil {
						t.Fatal(err)
					}
					a.Write(frame)
					a.Close()
					<-c.Done()
					want := 0
					if coordinator {
						want = 1
					}
					if e := c.Err(); e.Rank != want || !errors.Is(e, transport.ErrPeerLost) && !errors.Is(e, transport.ErrProtocol) {
						t.Errorf("%v", e)
					}
					c.Close()
				})
			})
		}
	}
}

func FuzzControl(f *testing.F) {
	verdict := (&codec{size: 3}).encode(&transport.RankError{Rank: 1, Err: transport.ErrPeerLost})
	f.Add(appendFrame(appendFrame(nil, frameReady, nil), frameVerdict, verdict), false)
	f.Add(appendFrame(appendFrame(nil, frameMessage, []byte("x")), frameReport, verdict), true)
	f.Add(appendFrame(appendFrame(nil, frameBeat, nil), frameBye, nil), true)
	f.Fuzz(func(t *testing.T, b []byte, coordinator bool) {
		conn, peer := net.Pipe()
		var c *Control
		var err error
		cfg := ControlConfig{Logger: quiet, HearsayWait: time.Millisecond}
		if coordinator {
			c, err = NewCoordinator(cfg, []net.Conn{nil, conn})
		} else {
			c, err = NewMember(cfg, 1, 2, conn)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.Handle(func(from int, payload []byte) {})
		go io.Copy(io.Discard, peer)
		peer.Write(b)
		peer.Close()
		<-c.Done()
		if e := c.Err(); e == nil || e.Rank < 0 || e.Rank > 1 || e.Error() == "" {
			t.Errorf("%v", e)
		}
		c.Close()
	})
}

func TestControlArguments(t *testing.T) {
	for name, c := range map[string]struct {
		rank, size int
		cfg        ControlConfig
	}{
		"rank 0":          {0, 2, ControlConfig{}},
		"rank too large":  {2, 2, ControlConfig{}},
		"negative":        {-1, 2, ControlConfig{}},
		"size 0":          {0, 0, ControlConfig{}},
		"too many causes": {1, 2, ControlConfig{Causes: make([]error, maxExtra+1)}},
	} {
		a, b := net.Pipe()
		if _, err := NewMember(c.cfg, c.rank, c.size, a); !errors.Is(err, ErrLaunch) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := b.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s: the connection is left open: %v", name, err)
		}
	}
}
