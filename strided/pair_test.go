package strided

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPair(t *testing.T) {
	memory := make([]float32, 64)
	x := Of(memory).Reshape(8, 8)
	other := Of(make([]float32, 64)).Reshape(8, 8)
	for name, tc := range map[string]struct {
		dst, src Tensor
		fits     bool
	}{
		"the same":             {x, x, true},
		"made again":           {Of(memory).Reshape(8, 8), Of(memory).Reshape(8, 8), true},
		"elsewhere together":   {other, other, true},
		"not the same memory":  {x, other, false},
		"another shape":        {x.Reshape(4, 16), x.Reshape(4, 16), false},
		"fewer dimensions":     {x.Reshape(64), x.Reshape(64), false},
		"other strides":        {x.Permute(1, 0), x.Permute(1, 0), false},
		"one of other strides": {x, x.Permute(1, 0), false},
		"another offset":       {x.AsStrided([]int64{4, 8}, []int64{8, 1}, 8), x.AsStrided([]int64{4, 8}, []int64{8, 1}, 0), false},
		"another type":         {FromBytes(Int32, make([]byte, 256)).Reshape(8, 8), x, false},
		"an error":             {x, x.Reshape(3), false},
		"nothing":              {Tensor{}, Tensor{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := PairOf(x, x)
			require.Equal(t, tc.fits, p.Fits(&tc.dst, &tc.src))
			var none Pair
			require.False(t, none.Fits(&tc.dst, &tc.src))
			own := PairOf(tc.dst, tc.src)
			require.Equal(t, tc.dst.Err() == nil && tc.src.Err() == nil, own.Fits(&tc.dst, &tc.src))
		})
	}
}
