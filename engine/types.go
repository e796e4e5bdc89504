package engine

import "github.com/monel-dev/monel/strided/dtype"

// Op is a reduction operator; its values equal ncclRedOp_t.
type Op = dtype.Op

// The reduction operators. Sum and Prod of integers wrap around; those of
// types narrower than 32 bits are computed in float32 and rounded once per
// hop. Others are made by Comm.NewPreMulSum. Max and Min prefer a number to a NaN. Avg is Sum divided once, on the
// last hop, by the number of ranks; for integers the quotient is truncated.
const (
	Sum  = dtype.Sum
	Prod = dtype.Prod
	Max  = dtype.Max
	Min  = dtype.Min
	Avg  = dtype.Avg
)
