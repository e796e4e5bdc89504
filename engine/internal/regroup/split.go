package regroup

import (
	"cmp"
	"slices"
)

// Choice is what a rank asks of a split.
type Choice struct {
	Color int // ranks of the same color come together; negative: with nobody
	Key   int // ranks of a color are ordered by it, equal ones by their old rank
}

// Split returns the groups of ranks, in the order of their new ranks; choices is by old
// rank. A rank without a color is in no group.
func Split(choices []Choice) [][]int {
	byColor := map[int][]int{}
	for rank, c := range choices {
		if c.Color >= 0 {
			byColor[c.Color] = append(byColor[c.Color], rank)
		}
	}
	groups := make([][]int, 0, len(byColor))
	for _, ranks := range byColor {
		slices.SortStableFunc(ranks, func(a, b int) int { return cmp.Compare(choices[a].Key, choices[b].Key) })
		groups = append(groups, ranks)
	}
	slices.SortFunc(groups, func(a, b []int) int { return cmp.Compare(choices[a[0]].Color, choices[b[0]].Color) })
	return groups
}
