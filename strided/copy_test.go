package strided

import (
	"bytes"
	"testing"

	"github.com/monel-dev/monel/strided/dtype"
	"github.com/stretchr/testify/require"
)

func TestCopyAgainstNaive(t *testing.T) {
	rng := seeded(t)
	all := dtype.All()
	for i := range rounds(2000) {
		x, xdata := randomTensor(rng, all[i%len(all)], []int64{50, 1000, 20000}[min(rng.IntN(12)/5, 2)])
		y, ydata := sameShapeTensor(rng, x)
		es := int64(x.DType().Size())
		xbefore, want := bytes.Clone(xdata), bytes.Clone(ydata)
		scatter(want, gather(xdata, places(x.Layout(), Logical), es), places(y.Layout(), Logical), es)
		require.NoError(t, Copy(y, x))
		require.True(t, bytes.Equal(want, ydata), "%v to %v", x, y)
		require.True(t, bytes.Equal(xbefore, xdata))
		require.NoError(t, Copy(y, y))
		require.True(t, bytes.Equal(want, ydata), "%v to itself", y)
	}
}

func TestCopyErrors(t *testing.T) {
	x := iota32(3, 4)
	bad := x.Slice(5, 0, 0)
	for name, c := range map[string]struct {
		dst, src Tensor
		err      error
	}{
		"shape":           {iota32(4, 3), x, ErrShape},
		"count":           {iota32(3, 5), x, ErrShape},
		"type":            {FromBytes(Float32, filled(seeded(t), 48)).Reshape(3, 4), x, ErrDType},
		"overlap":         {iota32(16).AsStrided([]int64{3, 4}, []int64{1, 1}, 0), x, ErrOverlap},
		"expanded target": {iota32(3, 1).Expand(3, 4), x, ErrOverlap},
		"conflict":        {x.Slice(1, 0, 3), x.Slice(1, 1, 4), ErrOverlap},
		"bad target":      {bad, x, ErrShape},
		"bad source":      {x, bad, ErrShape},
	} {
		t.Run(name, func(t *testing.T) { require.ErrorIs(t, Copy(c.dst, c.src), c.err) })
	}
	require.NoError(t, Copy(x.Slice(0, 1, 1), x.Slice(0, 2, 2)))
}
