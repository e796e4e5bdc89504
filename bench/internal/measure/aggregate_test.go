package measure

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/oracle"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided/dtype"
)

// grouped counts the groups and the calls in them.
type grouped struct {
	Comm
	groups *int
}

func (g grouped) Group(ctx context.Context, build func(*engine.Group) error) error {
	*g.groups++
	return g.Comm.Group(ctx, build)
}

// TestAggregate: timed calls go in groups, of every collective that can be part of one, and
// leave what they reduce as it was.
func TestAggregate(t *testing.T) {
	for _, collective := range cli.Collectives() {
		groups := make([]int, 2)
		each(t, 2, plain, func(c Comm) error {
			call := Call{Collective: collective, Layout: layouts.Transpose, DType: dtype.Float32, Op: oracle.MulSum, Count: 1000}
			buffers, err := Allocate(c.Rank(), c.Size(), []Call{call}, nil)
			if err != nil {
				return err
			}
			r := &Runner{Comm: grouped{c, &groups[c.Rank()]}, Buffers: buffers, Aggregate: 3}
			_, err = r.Time(t.Context(), call, 1, 4)
			if collective == cli.SendRecv || collective == cli.Hypercube {
				if err == nil {
					return fmt.Errorf("%s in a group", collective)
				}
				return nil
			}
			if err != nil {
				return err
			}
			wrong, err := r.Verify(t.Context(), call, 1)
			if wrong != 0 {
				return fmt.Errorf("%d wrong, %w", wrong, err)
			}
			return err
		})
		if collective != cli.SendRecv && collective != cli.Hypercube {
			require.Equal(t, []int{5, 5}, groups, collective)
		}
	}
}

func TestAcross(t *testing.T) {
	each(t, 3, plain, func(c Comm) error {
		for _, tc := range []struct {
			across Across
			want   float64
		}{{Greatest, 4}, {OfRank0, 3}, {Average, 3}, {Least, 2}} {
			got, err := tc.across.of(t.Context(), c, []float64{3, 4, 2}[c.Rank()])
			if err != nil || got != tc.want {
				return fmt.Errorf("%v: %v instead of %v, %w", tc.across, got, tc.want, err)
			}
		}
		return nil
	})
}
