// Package dtype names the element types and reduction operators that tensors
// and collectives are made of. Their numeric values equal those of nccl.h, so
// an id taken from an NCCL program can be converted without a table.
package dtype

import "fmt"

// DType is an element type. Its values equal ncclDataType_t.
type DType uint8

// The element types.
const (
	Int8 DType = iota
	Uint8
	Int32
	Uint32
	Int64
	Uint64
	Float16
	Float32
	Float64
	BFloat16
	Float8E4M3
	Float8E5M2
	numDTypes
)

var dtypeInfo = [numDTypes]struct {
	name string
	size uint8
}{
	Int8:       {"int8", 1},
	Uint8:      {"uint8", 1},
	Int32:      {"int32", 4},
	Uint32:     {"uint32", 4},
	Int64:      {"int64", 8},
	Uint64:     {"uint64", 8},
	Float16:    {"half", 2},
	Float32:    {"float", 4},
	Float64:    {"double", 8},
	BFloat16:   {"bfloat16", 2},
	Float8E4M3: {"f8e4m3", 1},
	Float8E5M2: {"f8e5m2", 1},
}

// Valid reports whether d is one of the types above.
func (d DType) Valid() bool { return d < numDTypes }

// Size is the size of one element in bytes, or 0 for an invalid type.
func (d DType) Size() int {
	if !d.Valid() {
		return 0
	}
	return int(dtypeInfo[d].size)
}

// String is the type's name as nccl-tests prints it.
func (d DType) String() string {
	if !d.Valid() {
		return fmt.Sprintf("dtype(%d)", uint8(d))
	}
	return dtypeInfo[d].name
}

// All lists every element type in the order of its id.
func All() []DType {
	all := make([]DType, numDTypes)
	for i := range all {
		all[i] = DType(i)
	}
	return all
}
