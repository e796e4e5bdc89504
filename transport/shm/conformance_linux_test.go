package shm

import (
	"testing"

	"github.com/monel-dev/monel/transport/conformance"
)

func TestConformance(t *testing.T) {
	passOnly := func(_ int, sys *system) { sys.ways = []way{wayPass} }
	for _, c := range []struct {
		name  string
		cfg   Config
		adapt func(rank int, sys *system)
	}{
		{name: "default"},
		{name: "two slots", cfg: Config{Slots: 2, SlotSize: 4096}},
		{name: "odd slots passed by socket", cfg: Config{Slots: 3, SlotSize: 1000}, adapt: passOnly},
	} {
		t.Run(c.name, func(t *testing.T) { conformance.Run(t, factory(c.cfg, c.adapt)) })
	}
}

func BenchmarkPingPong(b *testing.B) {
	all, _ := meshes(b, 2, Config{}, nil)
	closeAfter(b, all)
	b.SetBytes(8)
	conformance.PingPong(b, all[0], all[1], 8)
}
