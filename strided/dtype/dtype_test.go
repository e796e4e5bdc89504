package dtype

import "testing"

// TestIdsEqualNCCL pins the numeric values of nccl.h.
func TestIdsEqualNCCL(t *testing.T) {
	dtypes := map[DType]struct {
		id, size int
		name     string
	}{
		Int8: {0, 1, "int8"}, Uint8: {1, 1, "uint8"}, Int32: {2, 4, "int32"}, Uint32: {3, 4, "uint32"},
		Int64: {4, 8, "int64"}, Uint64: {5, 8, "uint64"}, Float16: {6, 2, "half"}, Float32: {7, 4, "float"},
		Float64: {8, 8, "double"}, BFloat16: {9, 2, "bfloat16"}, Float8E4M3: {10, 1, "f8e4m3"}, Float8E5M2: {11, 1, "f8e5m2"},
	}
	if len(All()) != len(dtypes) {
		t.Fatalf("All lists %d types, want %d", len(All()), len(dtypes))
	}
	for d, want := range dtypes {
		if int(d) != want.id || d.Size() != want.size || d.String() != want.name || !d.Valid() {
			t.Errorf("%v: id %d size %d, want %+v", d, int(d), d.Size(), want)
		}
	}
	if bad := DType(12); bad.Valid() || bad.Size() != 0 || bad.String() != "dtype(12)" {
		t.Errorf("12 is taken for a type: %v", bad)
	}
	for op, want := range map[Op]struct {
		id   int
		name string
	}{Sum: {0, "sum"}, Prod: {1, "prod"}, Max: {2, "max"}, Min: {3, "min"}, Avg: {4, "avg"}} {
		if int(op) != want.id || op.String() != want.name || !op.Valid() {
			t.Errorf("%v: id %d, want %+v", op, int(op), want)
		}
	}
	if len(Ops()) != 5 || Op(5).Valid() || Op(5).String() != "op(5)" {
		t.Error("5 is taken for an operator")
	}
}

func TestOf(t *testing.T) {
	got := []DType{Of[int8](), Of[uint8](), Of[int32](), Of[uint32](), Of[int64](), Of[uint64](),
		Of[F16](), Of[float32](), Of[float64](), Of[BF16](), Of[E4M3](), Of[E5M2]()}
	for i, d := range All() {
		if got[i] != d {
			t.Errorf("element type %d maps to %v, want %v", i, got[i], d)
		}
	}
}
