//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"testing"

	"github.com/monel-dev/monel/transport/conformance"
)

func TestConformance(t *testing.T) {
	needDevice(t)
	for _, c := range []struct {
		name string
		cfg  Config
	}{
		{"default", Config{}},
		{"two odd slots, asleep", Config{Slots: 2, SlotSize: 1000, Spin: -1}},
		{"three queue pairs", Config{Slots: 3, SlotSize: 5000, Settings: Settings{QPs: 3}}},
	} {
		t.Run(c.name, func(t *testing.T) { conformance.Run(t, factory(c.cfg)) })
	}
}
