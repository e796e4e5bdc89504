package strided

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNewLayout(t *testing.T) {
	type ints = []int64
	for name, c := range map[string]struct {
		dt      DType
		shape   ints
		strides ints
		offset  int64
		count   int64
		end     int64
		err     error
	}{
		"scalar":                  {dt: Float32, count: 1, end: 1},
		"scalar at an offset":     {dt: Float32, offset: 7, count: 1, end: 8},
		"row-major":               {dt: Int8, shape: ints{3, 4}, count: 12, end: 12},
		"transposed":              {dt: Int8, shape: ints{4, 3}, strides: ints{1, 4}, count: 12, end: 12},
		"negative":                {dt: Int8, shape: ints{4}, strides: ints{-2}, offset: 6, count: 4, end: 7},
		"expanded":                {dt: Int8, shape: ints{1000, 3}, strides: ints{0, 1}, count: 3000, end: 3},
		"empty":                   {dt: Int8, shape: ints{3, 0}, strides: ints{math.MaxInt64, math.MinInt64}, offset: -5},
		"size 1, any stride":      {dt: Int8, shape: ints{1, 2}, strides: ints{math.MinInt64, 1}, count: 2, end: 2},
		"no such type":            {dt: 12, shape: ints{1}, err: ErrDType},
		"negative size":           {dt: Int8, shape: ints{3, -1}, err: ErrShape},
		"negative beside empty":   {dt: Int8, shape: ints{0, -1}, err: ErrShape},
		"too few strides":         {dt: Int8, shape: ints{3, 4}, strides: ints{1}, err: ErrShape},
		"too many strides":        {dt: Int8, strides: ints{1}, err: ErrShape},
		"too many dimensions":     {dt: Int8, shape: make(ints, 33), err: ErrShape},
		"before the start":        {dt: Int8, shape: ints{4}, strides: ints{-2}, offset: 5, err: ErrBounds},
		"negative offset":         {dt: Int8, shape: ints{4}, offset: -1, err: ErrBounds},
		"count overflows":         {dt: Int8, shape: ints{1 << 32, 1 << 32}, strides: ints{0, 0}, err: ErrTooLarge},
		"bytes overflow":          {dt: Int64, shape: ints{1 << 57}, strides: ints{0}, err: ErrTooLarge},
		"reach overflows":         {dt: Int8, shape: ints{3}, strides: ints{math.MaxInt64}, err: ErrTooLarge},
		"reach overflows down":    {dt: Int8, shape: ints{3}, strides: ints{math.MinInt64}, err: ErrTooLarge},
		"reaches add up":          {dt: Int8, shape: ints{2, 2}, strides: ints{1 << 57, 1<<57 + 1}, err: ErrTooLarge},
		"offset too large":        {dt: Int8, shape: ints{1}, offset: math.MaxInt64, err: ErrTooLarge},
		"offset too small":        {dt: Int8, shape: ints{1}, offset: math.MinInt64, err: ErrTooLarge},
		"negative out of bounds":  {dt: Int8, shape: ints{5, 5}, strides: ints{-5, 1}, offset: 19, err: ErrBounds},
		"negative just in bounds": {dt: Int8, shape: ints{5, 5}, strides: ints{-5, 1}, offset: 20, count: 25, end: 25},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := NewLayout(c.dt, c.shape, c.strides, c.offset)
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
				var le *LayoutError
				require.ErrorAs(t, err, &le)
				require.Equal(t, "NewLayout", le.Func)
				require.True(t, strings.HasPrefix(err.Error(), "strided.NewLayout: "), err.Error())
				require.Zero(t, l.Count())
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.count, l.Count())
			require.Equal(t, c.end, l.End())
			require.Equal(t, c.count*int64(c.dt.Size()), l.Bytes())
		})
	}
}

func TestNewLayoutCopiesItsArguments(t *testing.T) {
	shape, strides := []int64{2, 3}, []int64{3, 1}
	l, err := NewLayout(Int8, shape, strides, 0)
	require.NoError(t, err)
	shape[0], strides[0] = 100, 100
	l.Shape()[1], l.Strides()[1] = 50, 50
	require.Equal(t, []int64{2, 3}, l.Shape())
	require.Equal(t, []int64{3, 1}, l.Strides())
	require.Equal(t, []int64{9, 2, 3}, l.AppendShape([]int64{9}))
	require.Equal(t, "int8[2 3] strides [3 1] offset 0", l.String())
}

func TestIsContiguous(t *testing.T) {
	x := Of(make([]int32, 24)).Reshape(2, 3, 4)
	require.True(t, x.IsContiguous())
	require.True(t, x.Select(0, 1).IsContiguous())
	require.True(t, x.Slice(1, 1, 2).Slice(0, 0, 1).IsContiguous(), "strides of size-1 dimensions do not count")
	require.True(t, x.Slice(1, 1, 1).IsContiguous(), "empty")
	require.False(t, x.Slice(1, 0, 2).IsContiguous())
	require.False(t, x.Permute(0, 2, 1).IsContiguous())
	require.False(t, x.Reverse(2).IsContiguous())
	require.False(t, x.Select(2, 0).Expand(4, 2, 3).IsContiguous())
}

func TestErrorsUnwrap(t *testing.T) {
	_, err := NewLayout(99, nil, nil, 0)
	require.Equal(t, ErrDType, errors.Unwrap(err))
	require.Contains(t, err.Error(), "dtype(99)")
}
