package ring_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/ring"
)

var benchConfig = ring.Config{
	Size: 8, Rank: 3, Count: 16 << 20, Chunk: 64 << 10, Align: 16, Depth: 4,
}

func TestPlanIsAValue(t *testing.T) {
	plan, err := ring.AllReduce(benchConfig)
	require.NoError(t, err)
	again := plan
	first, ok := plan.Next()
	require.True(t, ok)

	for s := range plan.Steps() {
		require.NotEqual(t, first, s, "Steps starts after what Next has returned")
		break
	}
	var viaSteps, viaNext []ring.Step
	for s := range again.Steps() {
		viaSteps = append(viaSteps, s)
	}
	for s, ok := again.Next(); ok; s, ok = again.Next() {
		viaNext = append(viaNext, s)
	}
	require.Equal(t, first, viaNext[0])
	require.Equal(t, viaNext, viaSteps)

	_, ok = again.Next()
	require.False(t, ok, "the end stays the end")
}

func TestPlanningAllocatesNothing(t *testing.T) {
	var elements int64
	require.Zero(t, testing.AllocsPerRun(10, func() {
		plan, _ := ring.AllReduce(benchConfig)
		for s := range plan.Steps() {
			elements += s.Hi - s.Lo
		}
		for s, ok := plan.Next(); ok; s, ok = plan.Next() {
			elements += s.Hi - s.Lo
		}
	}))
	require.NotZero(t, elements)
}

// The cost of planning one step; bytes are those of the float32 elements that
// the plan is about.
func BenchmarkAllReduce(b *testing.B) {
	for _, bc := range []struct {
		name  string
		count int64
	}{{"8B", 2}, {"64MiB", 16 << 20}} {
		b.Run(bc.name, func(b *testing.B) {
			c := benchConfig
			c.Count = bc.count
			b.SetBytes(4 * c.Count)
			b.ReportAllocs()
			steps := 0
			for b.Loop() {
				plan, err := ring.AllReduce(c)
				if err != nil {
					b.Fatal(err)
				}
				for range plan.Steps() {
					steps++
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(steps), "ns/step")
		})
	}
}
