package engine_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// BenchmarkGroup has 64 all_reduces of 8 bytes in one group, and as many calls, in turn.
// It reports the time of the groups as a share of that of the calls.
func BenchmarkGroup(b *testing.B) {
	for name, newWorld := range worlds {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, 2, engine.Config{})
			var took [2]time.Duration // of rank 0
			w.must(b, func(rank int, c *engine.Comm) error {
				var x [64]strided.Tensor
				for i := range x {
					x[i] = strided.Of(make([]float32, 2))
				}
				for range b.N {
					if err := c.Barrier(background); err != nil {
						return err
					}
					began := time.Now()
					for i := range x {
						if err := c.AllReduce(background, x[i], x[i], engine.Sum); err != nil {
							return err
						}
					}
					between := time.Now()
					err := c.Group(background, func(g *engine.Group) (err error) {
						for i := range x {
							err = errors.Join(err, g.AllReduce(x[i], x[i], engine.Sum))
						}
						return err
					})
					if err != nil {
						return fmt.Errorf("in a group: %w", err)
					}
					if rank == 0 {
						took[0] += between.Sub(began)
						took[1] += time.Since(between)
					}
				}
				return nil
			})
			b.ReportMetric(float64(took[1])/float64(took[0]), "group/calls")
			b.ReportMetric(float64(took[0].Microseconds())/float64(b.N), "us-calls")
			b.ReportMetric(float64(took[1].Microseconds())/float64(b.N), "us-group")
		})
	}
}
