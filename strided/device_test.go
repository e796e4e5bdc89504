package strided

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided/dtype"
)

// address is element number i of a host tensor's memory.
func (t Tensor) address(i int64) unsafe.Pointer {
	return unsafe.Add(t.mem.ptr, i*int64(t.layout.dt.Size()))
}

// anyDevice is an address that is surely no memory of this process.
const anyDevice = uint64(0x7000_0000_0000_0000)

func TestDeviceTensor(t *testing.T) {
	x := FromDevice(dtype.Float32, anyDevice, 4*60).Reshape(3, 4, 5)
	require.NoError(t, x.Err())
	require.True(t, x.OnDevice())
	require.False(t, Of(make([]float32, 1)).OnDevice())
	require.False(t, Tensor{}.OnDevice())
	require.Equal(t, anyDevice, x.Address())
	y := x.Permute(2, 0, 1).Slice(0, 1, 4).Reverse(1)
	require.NoError(t, y.Err())
	require.True(t, y.OnDevice())
	require.Equal(t, anyDevice+4*(1+2*20), y.Address())
	require.NoError(t, y.Layout().CheckOutput())

	empty := FromDevice(dtype.Float32, 0, 0)
	require.NoError(t, empty.Err(), "memory of no bytes has no address")
	require.True(t, empty.OnDevice())
	require.Zero(t, empty.Address())
}

func TestDeviceTensorErrors(t *testing.T) {
	for name, k := range map[string]struct {
		x  Tensor
		is error
	}{
		"null":      {FromDevice(dtype.Float32, 0, 8), ErrNilMemory},
		"unaligned": {FromDevice(dtype.Float32, anyDevice+2, 8), ErrUnaligned},
		"negative":  {FromDevice(dtype.Float32, anyDevice, -4), ErrShape},
		"ragged":    {FromDevice(dtype.Float32, anyDevice, 7), ErrShape},
		"no dtype":  {FromDevice(DType(99), anyDevice, 8), ErrDType},
		"bounds":    {FromDevice(dtype.Float32, anyDevice, 8).AsStrided([]int64{3}, []int64{1}, 0), ErrBounds},
	} {
		require.ErrorIs(t, k.x.Err(), k.is, name)
	}
}

// TestDeviceMemoryIsNotTouched: what would move elements on the host refuses.
func TestDeviceMemoryIsNotTouched(t *testing.T) {
	there, here := FromDevice(dtype.Float32, anyDevice, 4*12), Of(make([]float32, 12))
	require.ErrorIs(t, Copy(there, here), ErrDevice)
	require.ErrorIs(t, Copy(here, there), ErrDevice)
	for _, x := range []Tensor{there, there.Reshape(3, 4).Permute(1, 0), there.Reshape(2, 6).Slice(1, 0, 5)} {
		n := x.Count()
		v, err := x.View(Logical)
		require.NoError(t, err)
		w, err := here.View(Logical)
		require.NoError(t, err)
		slot := make([]byte, 4*12)
		_, ok := v.Bytes(0, n)
		require.False(t, ok)
		pieces, ok := v.Pieces(nil, 0, n, 1)
		require.False(t, ok)
		require.Empty(t, pieces)
		const panics = "which the host cannot touch"
		for name, do := range map[string]func(){
			"Pack":           func() { v.Pack(slot, 0, n) },
			"Unpack":         func() { v.Unpack(slot, 0, n) },
			"ReduceInto":     func() { v.ReduceInto(slot, slot, 0, n, dtype.Sum) },
			"ReduceOut":      func() { v.ReduceOut(w, slot, slot, 0, n, dtype.Sum, 1) },
			"ReduceOut(dst)": func() { w.ReduceOut(v, slot, slot, 0, n, dtype.Sum, 1) },
		} {
			func() {
				defer func() { require.Contains(t, fmt.Sprint(recover()), panics, name) }()
				do()
			}()
		}
	}
}

// TestConflictOnDevice: overlap is a matter of addresses, wherever they are.
func TestConflictOnDevice(t *testing.T) {
	x := FromDevice(dtype.Float32, anyDevice, 4*16).Reshape(4, 4)
	require.NoError(t, Conflict(x, x))
	require.NoError(t, Conflict(x.Slice(0, 0, 2), x.Slice(0, 2, 4)))
	require.ErrorIs(t, Conflict(x.Slice(0, 0, 3), x.Slice(0, 1, 4)), ErrOverlap)
	require.ErrorIs(t, Conflict(x, x.Permute(1, 0)), ErrOverlap)
	require.NoError(t, Conflict(x, Of(make([]float32, 16)).Reshape(4, 4)))
}

// TestPairTellsDevicesApart: a pair of host tensors is none of device tensors, even
// if all the numbers are the same.
func TestPairTellsDevicesApart(t *testing.T) {
	host, there := Of(make([]float32, 8)), FromDevice(dtype.Float32, anyDevice, 4*8)
	for _, made := range []Tensor{host, there} {
		p := PairOf(made, made)
		require.Equal(t, made.OnDevice(), p.Fits(&there, &there))
		require.Equal(t, !made.OnDevice(), p.Fits(&host, &host))
	}
}

// TestDims checks what Dims says of random views against Bytes of single elements,
// which finds them by the plan.
func TestDims(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 500 {
		x := randomView(random)
		for _, w := range []Walk{Logical, x.Layout().MemoryWalk()} {
			v, err := x.View(w)
			require.NoError(t, err)
			size, stride := v.Dims()
			product := int64(1)
			for i, n := range size {
				require.Greater(t, n, int64(1))
				product *= n
				if i > 0 {
					require.NotEqual(t, n*stride[i], stride[i-1], "two dimensions that are one: %v %v", size, stride)
				}
			}
			if v.Count() == 0 {
				require.Empty(t, size)
				require.Zero(t, v.Address())
				continue
			}
			require.Equal(t, v.Count(), product)
			for e := range v.Count() {
				at := int64(0)
				for rest, i := e, len(size)-1; i >= 0; i-- {
					at += rest % size[i] * stride[i]
					rest /= size[i]
				}
				one, ok := v.Bytes(e, e+1)
				require.True(t, ok || v.plan.kind > runs)
				if ok {
					require.Equal(t, uint64(uintptr(unsafe.Pointer(&one[0]))), v.Address()+uint64(at))
				} else {
					require.Equal(t, uint64(uintptr(v.plan.element(v.base, e))), v.Address()+uint64(at))
				}
			}
		}
	}
}

// randomView is a small tensor of int16 size-class elements, permuted, cut and
// turned around at random.
func randomView(random *rand.Rand) Tensor {
	dims := random.IntN(5)
	shape := make([]int64, dims)
	for i := range shape {
		shape[i] = int64(random.IntN(5))
		if shape[i] == 0 && random.IntN(4) > 0 {
			shape[i] = 3
		}
	}
	count := int64(1)
	for _, n := range shape {
		count *= n
	}
	x := Of(make([]dtype.F16, count)).Reshape(shape...).Permute(random.Perm(dims)...)
	for i := range dims {
		n := x.Shape()[i]
		switch random.IntN(4) {
		case 0:
			x = x.Reverse(i)
		case 1:
			if n > 1 {
				x = x.Slice(i, 1, n)
			}
		case 2:
			x = x.Step(i, 2)
		}
	}
	return x
}

// TestPacked: the packed layout of a walk is walked in one piece.
func TestPacked(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 500 {
		x := randomView(random)
		for _, w := range []Walk{Logical, x.Layout().MemoryWalk()} {
			l, err := x.Layout().Packed(w)
			require.NoError(t, err)
			require.Equal(t, x.Shape(), l.Shape())
			y := Of(make([]dtype.F16, x.Count())).WithLayout(l)
			require.NoError(t, y.Err())
			v, err := y.View(w)
			require.NoError(t, err)
			require.True(t, v.IsContiguous(), "%v walked %v", l, w)
			if x.Count() > 0 {
				require.EqualValues(t, uintptr(y.mem.ptr), v.Address())
			}
			// The same numbers through the front door.
			_, err = NewLayout(l.DType(), l.Shape(), l.Strides(), l.Offset())
			require.NoError(t, err)
		}
	}
	_, err := Of(make([]float32, 6)).Reshape(2, 3).Layout().Packed(Walk(5))
	require.ErrorIs(t, err, ErrWalk)
	x := Of(make([]float32, 6))
	require.ErrorIs(t, x.WithLayout(Of(make([]float32, 7)).Layout()).Err(), ErrBounds)
	require.ErrorIs(t, x.WithLayout(Of(make([]int32, 6)).Layout()).Err(), ErrDType)
}
