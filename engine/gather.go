package engine

import (
	"context"
	"slices"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/engine/internal/choose"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/tree"
)

// Gather gives the root the elements of all ranks: its dst has Size times as many
// elements as src, and rank r's are dst's logical elements [r·n, (r+1)·n), n being
// src's count.
//
// dst matters on the root only; elsewhere it is ignored. All tensors have the same
// dtype, the ranks' src the same count, and any shapes and strides; elements are
// matched in logical order. In place, the root's src is the part of dst that it is to
// become, or the zero Tensor; otherwise the two must not share memory. Elements of dst
// must not overlap each other; src may be expanded. Memory between the elements of a
// view is never written.
//
// The tensors' memory is borrowed until the call returns. A rank may return before the
// root has received everything. If the ranks disagree about the call, every rank gets a
// *MismatchError, in this call or, if it had already finished, in a later one, as for
// Broadcast; the root's dst may have been written.
func (c *Comm) Gather(ctx context.Context, dst, src strided.Tensor, root int) error {
	return c.carry(ctx, c.gather(dst, src, root))
}

// StartGather is Gather without the wait, as StartAllReduce is AllReduce.
func (c *Comm) StartGather(ctx context.Context, dst, src strided.Tensor, root int, options ...CallOption) (*Work, error) {
	return c.begin(ctx, c.gather(dst, src, root), options)
}

func (c *Comm) gather(dst, src strided.Tensor, root int) request {
	if c.rank != root {
		dst = strided.Tensor{}
	}
	far := reachOf(dstSrc, &dst, &src)
	here, count := &src, src.Count()
	if c.rank == root {
		here, count = &dst, dst.Count()/int64(c.size)
	}
	call := countCall(agree.Gather, here, 0, root, count)
	argument, err := c.checkRank("root", root)
	inPlace := src.IsZero()
	switch {
	case err != nil:
	case c.rank != root:
		argument, err = checkIn(src)
	default:
		if argument, err = checkOut(dst); err == nil {
			inPlace, argument, err = c.checkRootSide(dst, src, "dst", dst, "src", src)
		}
	}
	if err != nil {
		return refused(call, argument, err)
	}
	return request{call: call, order: strided.Logical, reach: far, empty: dst.OnDevice() || src.OnDevice(), attempt: func(o agree.Op) error {
		t := rooted{count: count, bytes: int(count) * here.DType().Size(), root: root}
		var err error
		if c.rank != root {
			t.one, err = src.View(strided.Logical)
		} else if t.all, err = dst.View(strided.Logical); err == nil && !inPlace {
			t.one, err = src.View(strided.Logical)
		}
		switch {
		case err != nil:
			return err
		case c.byTree(&t):
			err = c.treeGather(o, &t)
		case c.rank == root:
			err = c.gatherFromAll(o, &t)
		default:
			err = c.sendBlock(o, root, t.one, 0, t.count)
		}
		if err == nil && c.rank == root && !inPlace {
			c.move(t.all, int64(root)*count, t.one, 0, count)
		}
		return err
	}}
}

// checkRootSide checks what the root of a gather or scatter gives: all, with a block for
// each rank, and one, its own block, or the zero Tensor if that is to stay where it is.
func (c *Comm) checkRootSide(dst, src strided.Tensor, allName string, all strided.Tensor, oneName string, one strided.Tensor) (inPlace bool, argument string, err error) {
	if one.IsZero() {
		inPlace, argument, err = true, "", nil
		if all.Count()%int64(c.size) != 0 {
			argument, err = allName, blocksError(all, c.size)
		}
		return inPlace, argument, err
	}
	if oneName == "src" {
		argument, err = checkIn(one)
	} else {
		argument, err = checkOut(one)
	}
	if err == nil {
		argument, err = checkBlocks(allName, all, oneName, one, c.size)
	}
	if err != nil {
		return false, argument, err
	}
	return checkApart(dst, src, all, one, int64(c.rank)*one.Count(), c.rank)
}

// rooted is what a rank of a gather or scatter works on.
type rooted struct {
	all   strided.View // the root's
	one   strided.View // this rank's block, unless it stays where it is
	count int64        // elements of a block
	bytes int          // of a block
	root  int
}

// block is the range of a rank's block.
func (t *rooted) block(rank int) (lo, hi int64) {
	return int64(rank) * t.count, int64(rank+1) * t.count
}

// byTree reports whether a gather or scatter takes the tree.
func (c *Comm) byTree(t *rooted) bool {
	return c.size > 2 && choose.GatherByTree(int64(t.bytes), int64(c.cfg.ChunkBytes), int64(c.cfg.HopBytes), c.size, c.oneHost)
}

// gatherFromAll is the root's part where everybody sends to it: a chunk of each rank's
// in turns, so that all of them get on.
func (c *Comm) gatherFromAll(o agree.Op, t *rooted) error {
	return c.eachChunk(t.count, t.all.DType(), func(index uint32, lo, hi int64, n int) error {
		for k := 1; k < c.size; k++ {
			rank := c.order[(c.place+k)%c.size]
			from, err := c.receiver(o, rank)
			if err != nil {
				return err
			}
			at, _ := t.block(rank)
			if err := c.receiveView(o, from, index, n, t.all, at+lo, at+hi); err != nil {
				return err
			}
		}
		return nil
	})
}

// eachChunk cuts count elements into chunks, at least one.
func (c *Comm) eachChunk(count int64, dt strided.DType, do func(index uint32, lo, hi int64, n int) error) error {
	size := int64(max(dt.Size(), 1))
	whole := part{0, count}
	for i := int64(0); ; i++ {
		lo, hi, ok := whole.chunk(i, int64(c.cfg.ChunkBytes)/size)
		if !ok {
			return nil
		}
		if err := do(uint32(i), lo, hi, int((hi-lo)*size)); err != nil {
			return err
		}
	}
}

// sendBlock sends count elements of a view from lo on to a rank, in chunks.
func (c *Comm) sendBlock(o agree.Op, rank int, view strided.View, lo, count int64) error {
	to, err := c.sender(o, rank)
	if err != nil {
		return err
	}
	err = c.eachChunk(count, view.DType(), func(index uint32, a, b int64, n int) error {
		view.Ahead(lo+b, lo+min(b+b-a, count))
		return c.sendLater(o, to, o.Walk, index, n, view, lo+a, lo+b)
	})
	return flush(err, to)
}

// branches are this rank's part of the tree.
func (c *Comm) branches(root int) (own tree.Branch, parent int, children []tree.Branch, err error) {
	return tree.Branches(tree.Config{Size: c.size, Rank: c.place, Root: slices.Index(c.order, root)})
}

// rankAt is the rank at a place counted from the root's.
func (c *Comm) rankAt(root, place int) int {
	return c.order[(slices.Index(c.order, root)+place)%c.size]
}

// treeGather collects the blocks of a subtree in the slot of the link to the parent.
func (c *Comm) treeGather(o agree.Op, t *rooted) error {
	own, parent, children, err := c.branches(t.root)
	if err != nil {
		return err
	}
	var to transport.Sender
	var slot []byte
	if parent >= 0 {
		if to, err = c.sender(o, c.order[parent]); err != nil {
			return err
		}
		if slot, err = to.Acquire(o.Stop); err != nil {
			return err
		}
		t.one.Pack(slot[:t.bytes], 0, t.count)
	}
	for _, child := range slices.Backward(children) { // the smallest is done first
		received, from, err := c.receiveBytes(o, c.order[child.Position], child.Size*t.bytes)
		if err != nil {
			return err
		}
		if parent >= 0 {
			copy(slot[(child.First-own.First)*t.bytes:], received)
		} else {
			for i := range child.Size {
				lo, hi := t.block(c.rankAt(t.root, child.First+i))
				t.all.Unpack(received[i*t.bytes:(i+1)*t.bytes], lo, hi)
			}
		}
		from.r.Release()
	}
	if parent < 0 {
		return nil
	}
	return c.commit(o, to, o.Walk, 0, own.Size*t.bytes)
}
