package engine

import (
	"fmt"

	"github.com/monel-dev/monel/strided"
)

// checkAllReduce returns the name of the argument that is wrong, and why.
func (c *Comm) checkAllReduce(dst, src strided.Tensor, op Op) (string, error) {
	if _, err := c.operatorOf(op, src.DType()); err != nil {
		return "op", err
	}
	if err := src.Err(); err != nil {
		return "src", err
	}
	if argument, err := checkOutput(dst); err != nil {
		return argument, err
	}
	return checkPair(dst, src)
}

func (c *Comm) checkBroadcast(dst, src strided.Tensor, root int) (string, error) {
	if root < 0 || root >= c.size {
		return "root", fmt.Errorf("%d is not a rank of this communicator of %d; give a rank from 0 to %d", root, c.size, c.size-1)
	}
	if c.rank != root {
		return checkOutput(dst)
	}
	if err := src.Err(); err != nil {
		return "src", err
	}
	if dst.IsZero() {
		return "", nil
	}
	if argument, err := checkOutput(dst); err != nil {
		return argument, err
	}
	return checkPair(dst, src)
}

// checkOutput checks a tensor that will be written.
func checkOutput(dst strided.Tensor) (string, error) {
	if err := dst.Err(); err != nil {
		return "dst", err
	}
	if err := dst.Layout().CheckOutput(); err != nil {
		return "dst", err
	}
	return "", nil
}

// checkPair checks what dst and src must have in common.
func checkPair(dst, src strided.Tensor) (string, error) {
	if dst.DType() != src.DType() {
		return "dst", fmt.Errorf("its dtype is %v and src's is %v; both must be the same", dst.DType(), src.DType())
	}
	if !dst.Layout().SameShape(src.Layout()) {
		return "dst", fmt.Errorf("%w: its shape is %v and src's is %v; both must be the same", strided.ErrShape, dst.Shape(), src.Shape())
	}
	if dst.OnDevice() != src.OnDevice() {
		return "dst", fmt.Errorf("one of dst and src is in host memory, the other in a device's; both must be in the same")
	}
	if err := strided.Conflict(dst, src); err != nil {
		return "dst", err
	}
	return "", nil
}
