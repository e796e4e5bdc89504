package strided

import "github.com/monel-dev/monel/strided/dtype"

// DType is an element type; its values equal ncclDataType_t.
type DType = dtype.DType

// The element types.
const (
	Int8       = dtype.Int8
	Uint8      = dtype.Uint8
	Int32      = dtype.Int32
	Uint32     = dtype.Uint32
	Int64      = dtype.Int64
	Uint64     = dtype.Uint64
	Float16    = dtype.Float16
	Float32    = dtype.Float32
	Float64    = dtype.Float64
	BFloat16   = dtype.BFloat16
	Float8E4M3 = dtype.Float8E4M3
	Float8E5M2 = dtype.Float8E5M2
)

// Op is a reduction operator; its values equal ncclRedOp_t.
type Op = dtype.Op

// The reduction operators.
const (
	Sum  = dtype.Sum
	Prod = dtype.Prod
	Max  = dtype.Max
	Min  = dtype.Min
	Avg  = dtype.Avg
)
