package dtype

// Element is the set of Go types whose values tensors are made of, one for each
// DType. The types are exact, not approximate: F16 and BF16 share an underlying
// type, so only the name tells them apart.
type Element interface {
	int8 | uint8 | int32 | uint32 | int64 | uint64 |
		F16 | float32 | float64 | BF16 | E4M3 | E5M2
}

// Of is the DType of the Go type T.
func Of[T Element]() DType {
	var zero T
	switch any(zero).(type) {
	case int8:
		return Int8
	case uint8:
		return Uint8
	case int32:
		return Int32
	case uint32:
		return Uint32
	case int64:
		return Int64
	case uint64:
		return Uint64
	case F16:
		return Float16
	case float32:
		return Float32
	case float64:
		return Float64
	case BF16:
		return BFloat16
	case E4M3:
		return Float8E4M3
	default:
		return Float8E5M2
	}
}
