package engine

import (
	"context"
	"fmt"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/tree"
)

// Scatter gives each rank a part of the root's src: src has Size times as many elements
// as dst, and rank r's dst gets its logical elements [r·n, (r+1)·n), n being dst's
// count.
//
// src matters on the root only; elsewhere it is ignored. All tensors have the same
// dtype, the ranks' dst the same count, and any shapes and strides; elements are matched
// in logical order. In place, the root's dst is its own part of src, or the zero Tensor;
// otherwise the two must not share memory. Elements of dst must not overlap each other;
// src may be expanded. Memory between the elements of a view is never written.
//
// The tensors' memory is borrowed until the call returns. The root may return before the
// others have received everything. A rank whose call differs from the root's keeps its
// dst untouched; it and every other rank get a *MismatchError, in this call or, if they
// had already finished, in a later one, as for Broadcast.
func (c *Comm) Scatter(ctx context.Context, dst, src strided.Tensor, root int) error {
	return c.carry(ctx, c.scatter(dst, src, root))
}

// StartScatter is Scatter without the wait, as StartAllReduce is AllReduce.
func (c *Comm) StartScatter(ctx context.Context, dst, src strided.Tensor, root int, options ...CallOption) (*Work, error) {
	return c.begin(ctx, c.scatter(dst, src, root), options)
}

func (c *Comm) scatter(dst, src strided.Tensor, root int) request {
	if c.rank != root {
		src = strided.Tensor{}
	}
	far := reachOf(dstSrc, &dst, &src)
	here, count := &dst, dst.Count()
	if c.rank == root {
		here, count = &src, src.Count()/int64(c.size)
	}
	call := countCall(agree.Scatter, here, 0, root, count)
	argument, err := c.checkRank("root", root)
	inPlace := dst.IsZero()
	switch {
	case err != nil:
	case c.rank != root:
		argument, err = checkOut(dst)
	default:
		if argument, err = checkIn(src); err == nil {
			inPlace, argument, err = c.checkRootSide(dst, src, "src", src, "dst", dst)
		}
	}
	if err != nil {
		return refused(call, argument, err)
	}
	return request{call: call, order: strided.Logical, reach: far, empty: dst.OnDevice() || src.OnDevice(), attempt: func(o agree.Op) error {
		t := rooted{count: count, bytes: int(count) * here.DType().Size(), root: root}
		var err error
		if c.rank != root {
			t.one, err = dst.View(strided.Logical)
		} else if t.all, err = src.View(strided.Logical); err == nil && !inPlace {
			t.one, err = dst.View(strided.Logical)
		}
		switch {
		case err != nil:
			return err
		case c.byTree(&t):
			err = c.treeScatter(o, &t)
		case c.rank == root:
			err = c.scatterToAll(o, &t)
		default:
			err = c.receiveBlock(o, &t)
		}
		if err == nil && c.rank == root && !inPlace {
			c.move(t.one, 0, t.all, int64(root)*count, count)
		}
		return err
	}}
}

// scatterToAll is the root's part where it sends to everybody: a chunk to each rank in
// turns, so that all of them get on.
func (c *Comm) scatterToAll(o agree.Op, t *rooted) error {
	return c.eachChunk(t.count, t.all.DType(), func(index uint32, lo, hi int64, n int) error {
		for k := 1; k < c.size; k++ {
			rank := c.order[(c.place+k)%c.size]
			to, err := c.sender(o, rank)
			if err != nil {
				return err
			}
			if k+1 < c.size {
				next, _ := t.block(c.order[(c.place+k+1)%c.size])
				t.all.Ahead(next+lo, next+hi)
			}
			at, _ := t.block(rank)
			if err := c.sendView(o, to, o.Walk, index, n, t.all, at+lo, at+hi); err != nil {
				return err
			}
		}
		return nil
	})
}

// receiveBlock is everybody else's part.
func (c *Comm) receiveBlock(o agree.Op, t *rooted) error {
	from, err := c.receiver(o, t.root)
	if err != nil {
		return err
	}
	return c.eachChunk(t.count, t.one.DType(), func(index uint32, lo, hi int64, n int) error {
		return c.receiveView(o, from, index, n, t.one, lo, hi)
	})
}

// treeScatter hands the blocks of its subtree to each child.
func (c *Comm) treeScatter(o agree.Op, t *rooted) error {
	own, parent, children, err := c.branches(t.root)
	if err != nil {
		return err
	}
	var received []byte
	var from *inLink
	if parent >= 0 {
		if received, from, err = c.receiveBytes(o, c.order[parent], own.Size*t.bytes); err != nil {
			return err
		}
	}
	for _, child := range children {
		if err := c.sendBranch(o, t, child, received, own.First); err != nil {
			return err
		}
	}
	if parent >= 0 {
		t.one.Unpack(received[:t.bytes], 0, t.count)
		from.r.Release()
	}
	return nil
}

// sendBranch sends the blocks of a branch: at the root from its tensor, elsewhere from
// what was received, which begins with the block of the place first.
func (c *Comm) sendBranch(o agree.Op, t *rooted, to tree.Branch, received []byte, first int) error {
	n := to.Size * t.bytes
	if received != nil {
		at := (to.First - first) * t.bytes
		return c.sendBytes(o, c.order[to.Position], received[at:at+n])
	}
	link, err := c.sender(o, c.order[to.Position])
	if err != nil {
		return err
	}
	return c.post(o, link, o.Walk, 0, n, func(slot []byte) {
		for i := range to.Size {
			lo, hi := t.block(c.rankAt(t.root, to.First+i))
			t.all.Pack(slot[i*t.bytes:], lo, hi)
		}
	})
}

// blocksError says that a tensor cannot be divided among the ranks.
func blocksError(all strided.Tensor, ranks int) error {
	return fmt.Errorf("%w: its %d elements cannot be divided among %d ranks", strided.ErrShape, all.Count(), ranks)
}
