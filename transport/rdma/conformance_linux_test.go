//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"slices"
	"testing"

	"github.com/monel-dev/monel/transport/conformance"
)

// TestConformance runs the whole suite on a usual link, and on others what differs
// there: the machine that this runs in is emulated.
func TestConformance(t *testing.T) {
	needDevice(t)
	for _, c := range []struct {
		name  string
		cfg   Config
		cases []string // nil for all
	}{
		{"default", Config{SlotSize: 64 << 10}, nil},
		{"two odd slots, asleep", Config{Slots: 2, SlotSize: 1000, Spin: -1}, []string{
			"Order", "SizesBackToBack", "BothDirections", "Backpressure", "CancelAcquire", "CancelNext", "CancelRacesChunk",
			"CloseWakesWaiters", "DeathWakesNext", "DeathWakesAcquire",
		}},
		{"three queue pairs", Config{Slots: 3, SlotSize: 5000, Settings: Settings{QPs: 3}}, []string{
			"Order", "SizesBackToBack", "PayloadStable", "BothDirections", "CancelOften", "CloseDelivers", "DeathMidStream",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			resourcesAsBefore(t)
			for _, one := range conformance.Cases() {
				if c.cases == nil || slices.Contains(c.cases, one.Name) {
					t.Run(one.Name, func(t *testing.T) { one.Run(t, factory(c.cfg)) })
				}
			}
		})
	}
}
