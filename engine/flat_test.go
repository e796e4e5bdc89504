package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided"
)

// spaced is memory whose every second element is a tensor's. The others are -1.
func spaced(n int) ([]int32, strided.Tensor) {
	mem := make([]int32, 2*n)
	for i := range mem {
		mem[i] = -1
	}
	return mem, strided.Of(mem).Reshape(int64(n), 2).Slice(1, 0, 1).Reshape(int64(n))
}

// side is a rank's tensor, in one piece or spaced, with a value that says whose it is.
type side struct {
	tensor strided.Tensor
	mem    []int32
	step   int
}

func newSide(n int, dense bool, value func(i int) int32) side {
	s := side{step: 2}
	if dense {
		s.step, s.mem = 1, make([]int32, n)
		s.tensor = strided.Of(s.mem)
	} else {
		s.mem, s.tensor = spaced(n)
	}
	for i := range n {
		s.mem[i*s.step] = value(i)
	}
	return s
}

func (s side) check(value func(i int) int32) error {
	for i, got := range s.mem {
		want := int32(-1)
		if i%s.step == 0 {
			want = value(i / s.step)
		}
		if got != want {
			return fmt.Errorf("word %d is %d, not %d", i, got, want)
		}
	}
	return nil
}

// flatCalls is how many flat calls a rank has prepared.
func flatCalls(c *Comm) (n int) {
	for i := range c.blockCalls {
		if p := c.blockCalls[i].Load(); p != nil && p.flat {
			n++
		}
	}
	for i := range c.broadcastCalls.all {
		if p := c.broadcastCalls.all[i].Load(); p != nil && p.flat {
			n++
		}
	}
	return n
}

// TestFlatCallsMeetOthers: ranks whose tensors are memory as it is sent take another way
// than those whose tensors have gaps, and what they send each other is the same. Memory
// in gaps stays as it is.
func TestFlatCallsMeetOthers(t *testing.T) {
	const block = 5
	for _, size := range []int{2, 3, 4} {
		for dense := range 1 << size { // a bit for each rank
			comms, err := NewLocal(size, Config{})
			require.NoError(t, err)
			errs := make([]error, size)
			var wg sync.WaitGroup
			for rank, c := range comms {
				wg.Go(func() {
					errs[rank] = errors.Join(flatRound(c, block, dense>>rank&1 == 1), c.Close())
				})
			}
			wg.Wait()
			require.NoError(t, errors.Join(errs...), "%d ranks, dense %b", size, dense)
			for rank, c := range comms {
				if want := 4 * (dense >> rank & 1); want > 0 {
					require.Equal(t, want, flatCalls(c), "rank %d of %d", rank, size)
				}
			}
		}
	}
}

// flatRound makes each of the calls twice and checks what comes out.
func flatRound(c *Comm, block int, dense bool) error {
	ctx := context.Background()
	size, all := c.size, c.size*block
	number := func(rank, i int) int32 { return int32(1000*rank + i) }
	mine := func(i int) int32 { return number(c.rank, i) }
	none := func(int) int32 { return 0 }
	gather := func(i int) int32 { return number(i/block, i%block) }
	sum := func(i int) (s int32) {
		for r := range size {
			s += number(r, c.rank*block+i)
		}
		return s
	}
	turned := func(i int) int32 { return number(i/block, c.rank*block+i%block) }
	for range 2 {
		one, every, other, part := newSide(block, dense, mine), newSide(all, dense, none), newSide(all, dense, mine), newSide(block, dense, none)
		whole := newSide(all, dense, none)
		if c.rank == size-1 {
			whole = newSide(all, dense, mine)
		}
		err := errors.Join(
			c.AllGather(ctx, every.tensor, one.tensor), every.check(gather), one.check(mine),
			c.ReduceScatter(ctx, part.tensor, other.tensor, Sum), part.check(sum), other.check(mine),
			c.AllToAll(ctx, every.tensor, other.tensor), every.check(turned), other.check(mine),
			c.Broadcast(ctx, whole.tensor, whole.tensor, size-1), whole.check(func(i int) int32 { return number(size-1, i) }),
		)
		if err != nil {
			return fmt.Errorf("rank %d: %w", c.rank, err)
		}
	}
	return nil
}

// TestMemoryOfDevicesIsNotFlat: the host cannot copy it.
func TestMemoryOfDevicesIsNotFlat(t *testing.T) {
	comms, err := NewLocal(2, Config{})
	require.NoError(t, err)
	c := comms[0]
	of := func(address uint64, n int64) *strided.Tensor {
		x := strided.FromDevice(strided.Int32, address, 4*n)
		return &x
	}
	all, other, one := of(1<<20, 8), of(2<<20, 8), of(3<<20, 4)
	var zero strided.Tensor
	gather, _, err := c.prepareAllGather(all, one)
	require.NoError(t, err)
	scatter, _, err := c.prepareReduceScatter(one, all, Sum)
	require.NoError(t, err)
	turn, _, err := c.prepareAllToAll(other, all)
	require.NoError(t, err)
	cast, _, err := c.prepareBroadcast(&zero, all, 0)
	require.NoError(t, err)
	require.False(t, gather.flat || scatter.flat || turn.flat || cast.flat)
	for _, c := range comms {
		require.NoError(t, c.Close())
	}
}
