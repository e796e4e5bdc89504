package tcp_test

import (
	"net"
	"slices"
	"testing"

	"github.com/monel-dev/monel/transport/conformance"
	"github.com/monel-dev/monel/transport/tcp"
)

func TestConformance(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  tcp.Config
		wrap func(net.Conn) net.Conn
		kill func(*source)
	}{
		{"default", tcp.Config{}, nil, (*source).kill},
		{"reset", tcp.Config{Spin: -1}, nil, (*source).reset},
		{"small slots", tcp.Config{SlotSize: 5000, Slots: 2}, nil, (*source).kill},
		{"small buffers", tcp.Config{Slots: 2, SendBuffer: 64 << 10, ReceiveBuffer: 128 << 10}, nil, (*source).kill},
		{"portable", tcp.Config{Portable: true}, nil, (*source).kill},
		{"portable small", tcp.Config{Portable: true, SlotSize: 5000, Slots: 2}, nil, (*source).reset},
		{"opaque", tcp.Config{}, hide, (*source).kill},
		{"connections", tcp.Config{Connections: 3}, nil, (*source).kill},
		{"two connections", tcp.Config{Connections: 2, Spin: -1, Stripe: 1}, nil, (*source).kill},
		{"connections small", tcp.Config{Connections: 4, SlotSize: 15000, Slots: 2, Stripe: 100}, nil, (*source).reset},
		{"connections small buffers", tcp.Config{Connections: 3, Slots: 2, SendBuffer: 16 << 10, ReceiveBuffer: 32 << 10}, nil, (*source).kill},
		{"connections portable small", tcp.Config{Connections: 3, Portable: true, SlotSize: 15000, Slots: 2, Stripe: 100}, nil, (*source).kill},
	} {
		if raceDetector && !slices.Contains([]string{"default", "small slots", "portable", "connections small", "connections portable small"}, c.name) {
			continue // what goes on at the same time is the same in the others
		}
		t.Run(c.name, func(t *testing.T) { conformance.Run(t, world(c.cfg, c.wrap, c.kill)) })
	}
}
