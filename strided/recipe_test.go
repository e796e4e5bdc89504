package strided

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRecipe makes views of tensors by the recipe of another one that lies alike.
func TestRecipe(t *testing.T) {
	a, b := make([]int32, 60), make([]int32, 60)
	for i := range b {
		b[i] = int32(i)
	}
	for name, like := range map[string]func(x Tensor) Tensor{
		"contiguous": func(x Tensor) Tensor { return x },
		"offset":     func(x Tensor) Tensor { return x.Slice(0, 7, 31) },
		"transposed": func(x Tensor) Tensor { return x.Reshape(6, 10).Permute(1, 0) },
		"reversed":   func(x Tensor) Tensor { return x.AsStrided([]int64{20}, []int64{-3}, 59) },
		"empty":      func(x Tensor) Tensor { return x.Slice(0, 5, 5) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, walk := range []Walk{Logical, like(Of(a)).Layout().MemoryWalk()} {
				r, err := like(Of(a)).Recipe(walk)
				require.NoError(t, err)
				y := like(Of(b))
				want, err := y.View(walk)
				require.NoError(t, err)
				got := r.View(&y)
				require.Equal(t, want, got)
				slots := [2][]byte{make([]byte, 240), make([]byte, 240)}
				want.Pack(slots[0], 0, want.Count())
				got.Pack(slots[1], 0, got.Count())
				require.Equal(t, slots[0], slots[1])
			}
		})
	}
	_, err := Tensor{}.Recipe(Logical)
	require.Error(t, err)
	var none Recipe
	x := Of(a)
	require.Zero(t, none.View(&x).Count())
}
