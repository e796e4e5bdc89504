package tcp_test

import (
	"context"
	"fmt"
	"net"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/inproc"
	"github.com/monel-dev/monel/transport/tcp"
)

// joined is the source of one rank in a world of two that are joined by a
// connection for the one link that they use. In earnest the source is a
// bootstrap session.
type joined struct{ net.Conn }

func (j joined) Dial(context.Context, int, int) (net.Conn, error)   { return j.Conn, nil }
func (j joined) Accept(context.Context, int, int) (net.Conn, error) { return j.Conn, nil }

func ExampleNew() {
	ctx := context.Background()
	a, b := inproc.Pipe() // or two sockets
	m0 := tcp.New(tcp.Config{Rank: 0, Size: 2}, joined{a})
	m1 := tcp.New(tcp.Config{Rank: 1, Size: 2}, joined{b})
	defer m1.Close()
	defer m0.Close()

	s, err := m0.Sender(ctx, 1, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	slot, err := s.Acquire(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := s.Commit(&transport.Header{}, copy(slot, "hello")); err != nil {
		fmt.Println(err)
		return
	}

	r, err := m1.Receiver(ctx, 0, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, payload, err := r.Next(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", payload)
	r.Release()
	// Output: hello
}
