package tree_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/tree"
)

var benchConfig = tree.Config{
	Size: 8, Rank: 4, Root: 3, Count: 16 << 20, Chunk: 64 << 10, Align: 16, Algorithm: tree.Chain,
}

func TestPlanIsAValue(t *testing.T) {
	plan, err := tree.Broadcast(benchConfig)
	require.NoError(t, err)
	again := plan
	first, ok := plan.Next()
	require.True(t, ok)

	for s := range plan.Steps() {
		require.NotEqual(t, first, s, "Steps starts after what Next has returned")
		break
	}
	var viaSteps, viaNext []tree.Step
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

func TestSteppingAllocatesNothing(t *testing.T) {
	plan, err := tree.Broadcast(benchConfig)
	require.NoError(t, err)
	var elements int64
	require.Zero(t, testing.AllocsPerRun(10, func() {
		p := plan
		for s := range p.Steps() {
			elements += s.Hi - s.Lo
		}
		for s, ok := p.Next(); ok; s, ok = p.Next() {
			elements += s.Hi - s.Lo
		}
	}))
	require.NotZero(t, elements)
}

// Any numbers at all give an error that says so or a plan that keeps within
// bounds.
func FuzzConfig(f *testing.F) {
	f.Add(4, 1, 2, int64(100), int64(16), int64(4), uint8(0))
	f.Add(1, 0, 0, int64(0), int64(1), int64(1), uint8(1))
	f.Add(-1, -1, -1, int64(-1), int64(-1), int64(-1), uint8(255))
	f.Add(1<<29, 1<<29-1, 7, int64(1)<<62, int64(1)<<62, int64(1)<<62, uint8(0))
	f.Fuzz(func(t *testing.T, size, rank, root int, count, chunk, align int64, algorithm uint8) {
		c := tree.Config{
			Size: size, Rank: rank, Root: root,
			Count: count, Chunk: chunk, Align: align, Algorithm: tree.Algorithm(algorithm),
		}
		plan, err := tree.Broadcast(c)
		if err != nil {
			var ce *tree.ConfigError
			if !errors.As(err, &ce) || !errors.Is(err, tree.ErrConfig) {
				t.Fatalf("%+v: %v is not a ConfigError", c, err)
			}
			return
		}
		if (plan.Parent() < 0) != (rank == root) || plan.Parent() >= size || plan.Parent() == rank {
			t.Fatalf("%+v: parent %d", c, plan.Parent())
		}
		for _, child := range plan.Children() {
			if child < 0 || child >= size || child == rank || child == root || child == plan.Parent() {
				t.Fatalf("%+v: child %d", c, child)
			}
		}
		for range 1000 {
			s, ok := plan.Next()
			if !ok {
				return
			}
			if s.Lo < 0 || s.Hi < s.Lo || s.Hi > count || s.Hi-s.Lo > chunk {
				t.Fatalf("%+v: %+v", c, s)
			}
		}
	})
}

// The cost of planning; bytes are those of the float32 elements that the plan is
// about.
func BenchmarkBroadcast(b *testing.B) {
	for _, bc := range []struct {
		name  string
		count int64
		alg   tree.Algorithm
	}{{"8B", 2, tree.Binomial}, {"64MiB", 16 << 20, tree.Chain}} {
		b.Run(bc.name, func(b *testing.B) {
			c := benchConfig
			c.Count, c.Algorithm = bc.count, bc.alg
			b.SetBytes(4 * c.Count)
			b.ReportAllocs()
			for b.Loop() {
				plan, err := tree.Broadcast(c)
				if err != nil {
					b.Fatal(err)
				}
				for range plan.Steps() {
				}
			}
		})
	}
}
