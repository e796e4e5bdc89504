package engine

import (
	"fmt"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
)

// blocks is how a collective's tensors are seen that have a block for each rank. A
// tensor's block b is its logical elements [b·count, (b+1)·count). Where its shape can
// be split into ranks times the shape of a block, blocks are walked like tensors of
// that shape, in the order that suits the memory; otherwise in logical order.
type blocks struct {
	count int64
	// starts, unless nil, is where the blocks begin that differ in size, and where the
	// last one ends; then count is 0. They are walked in logical order.
	starts []int64
	// split: the tensor of one block per rank can be seen as ranks times the shape of a
	// block, as all has it; own is this rank's block in it.
	split    bool
	all, own strided.Layout
	walk     strided.Walk // of a block
	allWalk  strided.Walk // of all, one block after the other
	order    strided.Walk // what the ranks compare
	// usual are the views in that order: those of the tensor of one block per rank,
	// of the single block, and of the rank's own block in the former.
	usual struct{ all, one, own strided.Recipe }
}

// areOf reports whether these are blocks of such sizes.
func (b *blocks) areOf(counts []int64) bool {
	if len(counts) != len(b.starts)-1 {
		return false
	}
	for rank, n := range counts {
		if b.starts[rank+1]-b.starts[rank] != n {
			return false
		}
	}
	return true
}

// recall finds out the usual views.
func (b *blocks) recall(all, one strided.Tensor) (err error) {
	logical := b.walk == strided.Logical
	if b.usual.all, err = b.asBlocks(&all, logical); err == nil {
		b.usual.one, err = b.asOne(&one, logical)
	}
	if err == nil && b.split {
		t := all.WithLayout(b.own)
		b.usual.own, err = b.asOne(&t, logical)
	}
	return err
}

// blocksOf describes a tensor of one block per rank, and one that is a block.
func blocksOf(all, one strided.Tensor, ranks, rank int) blocks {
	b := blocks{count: one.Count()}
	if t, ok := split(all, ranks, one.Shape()); ok {
		b.split, b.all, b.own = true, t.Layout(), t.Select(0, int64(rank)).Layout()
	}
	return b
}

// orderOf is what ranks compare that walk tensors of possibly different shapes: 0 for
// logical order, which all shapes of the same count have, and otherwise a number that
// says how a certain shape is walked.
func orderOf(walk strided.Walk, shape []int64) strided.Walk {
	if walk == strided.Logical {
		return strided.Logical
	}
	h := uint64(walk)
	for _, n := range shape {
		if n != 1 { // walks do not see these either
			h = (h ^ uint64(n)) * 0x9e3779b97f4a7c15
			h ^= h >> 32
		}
	}
	return strided.Walk(max(h, 1))
}

// split is t seen as one block of the given shape per rank, and whether it can be.
func split(t strided.Tensor, ranks int, shape []int64) (strided.Tensor, bool) {
	t = t.Reshape(append([]int64{int64(ranks)}, shape...)...)
	return t, t.Err() == nil
}

// blockView is a tensor of one block per rank, as a view of it walks them.
type blockView struct {
	strided.View
	count  int64
	starts []int64 // as in blocks
}

// at is where rank's block begins, and where the one before it ends.
func (b *blockView) at(rank int) int64 {
	if b.starts != nil {
		return b.starts[rank]
	}
	return int64(rank) * b.count
}

// countOf is the number of elements of rank's block.
func (b *blockView) countOf(rank int) int64 { return b.at(rank+1) - b.at(rank) }

// viewBlocks views t so that its blocks come one after the other, each walked as b
// says or, if the ranks compare logical order after all, in that.
func (b *blocks) viewBlocks(t *strided.Tensor, order strided.Walk) (blockView, error) {
	r, err := b.usual.all, error(nil)
	if order != b.order {
		r, err = b.asBlocks(t, true)
	}
	return blockView{r.View(t), b.count, b.starts}, err
}

// viewOwn views this rank's block of t, if that is a tensor by itself.
func (b *blocks) viewOwn(t *strided.Tensor, order strided.Walk) (strided.View, error) {
	if order == b.order || !b.split {
		return b.usual.own.View(t), nil
	}
	own := t.WithLayout(b.own)
	return own.View(strided.Logical)
}

// viewOne views a tensor that is a single block.
func (b *blocks) viewOne(t *strided.Tensor, order strided.Walk) (strided.View, error) {
	if order == b.order {
		return b.usual.one.View(t), nil
	}
	return t.View(strided.Logical)
}

func (b *blocks) asBlocks(t *strided.Tensor, logical bool) (strided.Recipe, error) {
	if logical {
		return t.Recipe(strided.Logical)
	}
	return t.WithLayout(b.all).Recipe(b.allWalk)
}

func (b *blocks) asOne(t *strided.Tensor, logical bool) (strided.Recipe, error) {
	if logical {
		return t.Recipe(strided.Logical)
	}
	return t.Recipe(b.walk)
}

// pickWalk picks the walk for blocks: that of a target's memory, which has the shape of
// a block, if the tensor of one block per rank can be split.
func (b *blocks) pickWalk(logicalOrder bool, ranks int, target strided.Layout) {
	if logicalOrder || ranks == 1 || !b.split {
		return
	}
	walk := target.MemoryWalk()
	if all, ok := walk.Blockwise(); ok {
		b.walk, b.allWalk, b.order = walk, all, orderOf(walk, target.Shape())
	}
}

// countCall describes a collective whose ranks agree on numbers of elements.
func countCall(kind agree.Collective, t *strided.Tensor, op Op, root int, counts ...int64) agree.Call {
	return agree.NewCall(kind, t.DType(), op, root, counts)
}

// checkBlocks checks what a tensor of one block per rank and one of a single block
// have in common. The names are those of the arguments.
func checkBlocks(allName string, all strided.Tensor, oneName string, one strided.Tensor, ranks int) (string, error) {
	if all.DType() != one.DType() {
		return "dst", fmt.Errorf("the dtype of %s is %v and that of %s %v; both must be the same", allName, all.DType(), oneName, one.DType())
	}
	// An expanded tensor may have so many elements that their product overflows.
	if n := int64(ranks); all.Count()%n != 0 || all.Count()/n != one.Count() {
		return allName, fmt.Errorf("%w: it has %d elements and %s has %d; with %d ranks it must have %d times as many", strided.ErrShape,
			all.Count(), oneName, one.Count(), ranks, ranks)
	}
	return "", nil
}

// checkApart checks that dst may be written while src is read, where one of them is
// all, a tensor of one block per rank, and the other one is a single block: they share
// no memory, or one is the block of rank in all, which begins at element start. It
// reports whether the latter. To write some elements of all must leave the others as
// they are.
func checkApart(dst, src, all, one strided.Tensor, start int64, rank int) (inPlace bool, argument string, err error) {
	if one.Count() > 0 && strided.SameRange(all, start, one) && all.Layout().CheckOutput() == nil {
		return true, "", nil
	}
	if err := strided.Conflict(dst, src); err != nil {
		return false, "dst", fmt.Errorf("%w (or let the smaller one be block %d of the larger one)", err, rank)
	}
	return false, "", nil
}

// move copies n elements from one view to another of the same type, which share no
// memory.
func (c *Comm) move(to strided.View, at int64, from strided.View, start, n int64) {
	c.moveBy(c.partial, to, at, from, start, n)
}

// moveBy is move with scratch of the caller's, as large as a chunk.
func (c *Comm) moveBy(scratch func() []byte, to strided.View, at int64, from strided.View, start, n int64) {
	most := int64(c.cfg.ChunkBytes / max(from.DType().Size(), 1))
	for n > 0 {
		k := min(n, most)
		if b, ok := from.Bytes(start, start+k); ok {
			to.Unpack(b, at, at+k)
		} else if b, ok := to.Bytes(at, at+k); ok {
			from.Pack(b, start, start+k)
		} else {
			b := scratch()
			from.Pack(b, start, start+k)
			to.Unpack(b, at, at+k)
		}
		at, start, n = at+k, start+k, n-k
	}
}

// copyElements copies src to dst element by element in logical order, whatever their
// shapes, unless they are the same.
func (c *Comm) copyElements(dst, src strided.Tensor) error {
	return c.copyBy(c.partial, dst, src)
}

// copyBy is copyElements with scratch of the caller's, as large as a chunk.
func (c *Comm) copyBy(scratch func() []byte, dst, src strided.Tensor) error {
	if strided.Same(dst, src) {
		return nil
	}
	if dst.Layout().SameShape(src.Layout()) {
		return strided.Copy(dst, src)
	}
	to, err := dst.View(strided.Logical)
	if err != nil {
		return err
	}
	from, err := src.View(strided.Logical)
	if err != nil {
		return err
	}
	c.moveBy(scratch, to, 0, from, 0, from.Count())
	return nil
}
