package regroup

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSplit(t *testing.T) {
	for _, k := range []struct {
		choices []Choice
		want    [][]int
	}{
		{nil, [][]int{}},
		{[]Choice{{-1, 0}, {-5, 3}}, [][]int{}},
		{[]Choice{{0, 0}}, [][]int{{0}}},
		{[]Choice{{0, 0}, {0, 0}, {0, 0}}, [][]int{{0, 1, 2}}},
		{[]Choice{{0, 2}, {0, 1}, {0, -7}}, [][]int{{2, 1, 0}}},
		{[]Choice{{9, 0}, {2, 0}, {9, 0}, {-1, 0}, {2, -1}}, [][]int{{4, 1}, {0, 2}}},
		{[]Choice{{1 << 40, 1}, {1 << 40, 1}}, [][]int{{0, 1}}},
	} {
		require.Equal(t, k.want, Split(k.choices), "%v", k.choices)
	}
}

// TestSplitProperties: every rank with a color is in one group, with all of its color
// and nobody else, in the order of keys and then ranks.
func TestSplitProperties(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	for range 500 {
		choices := make([]Choice, 1+r.IntN(20))
		for i := range choices {
			choices[i] = Choice{r.IntN(5) - 1, r.IntN(4) - 2}
		}
		in := map[int]int{}
		for g, ranks := range Split(choices) {
			for i, rank := range ranks {
				_, twice := in[rank]
				require.False(t, twice)
				in[rank] = g
				if i > 0 {
					before := ranks[i-1]
					require.Equal(t, choices[before].Color, choices[rank].Color)
					require.True(t, choices[before].Key < choices[rank].Key || choices[before].Key == choices[rank].Key && before < rank,
						"seed %d: %v of %v", seed, ranks, choices)
				}
			}
		}
		for a := range choices {
			_, there := in[a]
			require.Equal(t, choices[a].Color >= 0, there)
			for b := range choices {
				if choices[a].Color >= 0 && choices[a].Color == choices[b].Color {
					require.Equal(t, in[a], in[b])
				}
			}
		}
	}
}

// TestConflict: who waits for whom.
func TestConflict(t *testing.T) {
	type here struct {
		rank    int
		members []int
	}
	for name, k := range map[string]struct {
		leads *here
		here  []here
		stuck [][]int // ranks of the calls in conflict
	}{
		"nobody":                   {nil, nil, nil},
		"all the same":             {&here{0, []int{0, 1}}, []here{{1, []int{0, 1}}}, nil},
		"two that name each other": {&here{0, []int{0, 1}}, []here{{1, []int{0, 1, 2}}}, [][]int{{0}, {1}}},
		"one in an earlier call":   {&here{1, []int{1, 2, 5}}, []here{{2, []int{1, 2, 5}}, {5, []int{5}}}, nil},
		"one in an earlier call that waits for one who is here": {
			&here{1, []int{1, 2, 5}}, []here{{2, []int{1, 2, 5}}, {5, []int{2, 5}}}, [][]int{{1, 2}, {5}}},
		"a circle of three": {nil, []here{{1, []int{1, 2}}, {2, []int{2, 3}}, {3, []int{1, 3}}}, [][]int{{1}, {2}, {3}}},
		"one that waits for a circle": {
			&here{0, []int{0, 1}}, []here{{1, []int{1, 2}}, {2, []int{1, 2, 3}}}, [][]int{{0}, {1}, {2}}},
		"a circle without the leader": {&here{0, []int{0, 4}}, []here{{1, []int{1, 2}}, {2, []int{1, 2, 3}}}, nil},
		"a chain":                     {nil, []here{{1, []int{1, 2}}, {2, []int{2, 3}}, {3, []int{3, 4}}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var m *Meeting
			if k.leads != nil {
				m = &Meeting{Call: fmt.Sprint(k.leads.members), Members: k.leads.members}
			}
			var visits []*Visit
			for _, h := range k.here {
				visits = append(visits, &Visit{from: h.rank, proposal: Proposal{Call: fmt.Sprint(h.members), Members: h.members}})
			}
			stuck, _ := conflict(visits, m)
			var got [][]int
			for _, c := range stuck {
				got = append(got, slices.Sorted(slices.Values(c.here)))
			}
			require.Equal(t, k.stuck, got)
		})
	}
}
