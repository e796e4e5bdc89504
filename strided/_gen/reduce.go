package main

// plain makes a combiner fit a reduction without divisor.
func plain(c combiner) func(m *machine, divisor vec) func(x, y vec) vec {
	return func(m *machine, _ vec) func(x, y vec) vec { return c(m) }
}

func over16(kind func(*machine, binary32) func(x, y vec) vec, f binary32) combiner {
	return func(m *machine) func(x, y vec) vec { return kind(m, f) }
}

// kernelFor names the function for an operator and a list of element types, all
// spelled as the constants of package dtype.
type kernelFor struct {
	op     string
	dtypes []string
	reduction
}

// reductions emits all reductions and returns what serves what.
func reductions(m *machine) []kernelFor {
	one := func(op, dtype string, size, unroll int, c combiner) kernelFor {
		return kernelFor{op, []string{dtype}, reduction{size: size, unroll: unroll, combine: plain(c)}}
	}
	two := func(op, dtype, other string, size, unroll int, c combiner) kernelFor {
		k := one(op, dtype, size, unroll, c)
		k.dtypes = append(k.dtypes, other)
		return k
	}
	average := func(dtype, divisor string, size, unroll int, c func(m *machine, divisor vec) func(x, y vec) vec) kernelFor {
		return kernelFor{"Avg", []string{dtype}, reduction{size: size, unroll: unroll, divisor: divisor, combine: c}}
	}
	kernels := []kernelFor{
		two("Sum", "Int8", "Uint8", 1, 4, addInt8),
		two("Sum", "Int32", "Uint32", 4, 4, addInt32),
		two("Sum", "Int64", "Uint64", 8, 4, addInt64),
		one("Sum", "Float16", 2, 2, over16(float16, add32)),
		one("Sum", "Float32", 4, 4, addFloat32),
		one("Sum", "Float64", 8, 4, addFloat64),
		one("Sum", "BFloat16", 2, 2, over16(bfloat16, add32)),
		one("Sum", "Float8E4M3", 1, 1, e4m3.sum),
		one("Sum", "Float8E5M2", 1, 1, e5m2.sum),

		two("Prod", "Int8", "Uint8", 1, 2, mulInt8),
		two("Prod", "Int32", "Uint32", 4, 4, mulInt32),
		two("Prod", "Int64", "Uint64", 8, 2, mulInt64),
		one("Prod", "Float16", 2, 2, over16(float16, mul32)),
		one("Prod", "Float32", 4, 4, mulFloat32),
		one("Prod", "Float64", 8, 4, mulFloat64),
		one("Prod", "BFloat16", 2, 2, over16(bfloat16, mul32)),
		one("Prod", "Float8E4M3", 1, 1, e4m3.product),
		one("Prod", "Float8E5M2", 1, 1, e5m2.product),

		one("Max", "Int8", 1, 4, maxInt8),
		one("Max", "Uint8", 1, 4, maxUint8),
		one("Max", "Int32", 4, 4, maxInt32),
		one("Max", "Uint32", 4, 4, maxUint32),
		one("Max", "Int64", 8, 2, selectInt64(true, true)),
		one("Max", "Uint64", 8, 2, selectInt64(false, true)),
		one("Max", "Float16", 2, 2, selectNarrow(16, 0x7c00, 0x7e00, true)),
		one("Max", "Float32", 4, 2, selectWide(32, true)),
		one("Max", "Float64", 8, 2, selectWide(64, true)),
		one("Max", "BFloat16", 2, 2, selectNarrow(16, 0x7f80, 0x7fc0, true)),
		one("Max", "Float8E4M3", 1, 2, selectNarrow(8, 0x7e, 0x7f, true)),
		one("Max", "Float8E5M2", 1, 2, selectNarrow(8, 0x7c, 0x7f, true)),

		one("Min", "Int8", 1, 4, minInt8),
		one("Min", "Uint8", 1, 4, minUint8),
		one("Min", "Int32", 4, 4, minInt32),
		one("Min", "Uint32", 4, 4, minUint32),
		one("Min", "Int64", 8, 2, selectInt64(true, false)),
		one("Min", "Uint64", 8, 2, selectInt64(false, false)),
		one("Min", "Float16", 2, 2, selectNarrow(16, 0x7c00, 0x7e00, false)),
		one("Min", "Float32", 4, 2, selectWide(32, false)),
		one("Min", "Float64", 8, 2, selectWide(64, false)),
		one("Min", "BFloat16", 2, 2, selectNarrow(16, 0x7f80, 0x7fc0, false)),
		one("Min", "Float8E4M3", 1, 2, selectNarrow(8, 0x7e, 0x7f, false)),
		one("Min", "Float8E5M2", 1, 2, selectNarrow(8, 0x7c, 0x7f, false)),

		average("Float16", "float32", 2, 1, func(m *machine, d vec) func(x, y vec) vec { return float16(m, avg32(d)) }),
		average("Float32", "float32", 4, 2, avgFloat32),
		average("Float64", "float64", 8, 2, avgFloat64),
		average("BFloat16", "float32", 2, 1, func(m *machine, d vec) func(x, y vec) vec { return bfloat16(m, avg32(d)) }),
		average("Float8E4M3", "float32", 1, 1, e4m3.average),
		average("Float8E5M2", "float32", 1, 1, e5m2.average),
	}
	for i := range kernels {
		k := &kernels[i]
		k.name = tierName(m.width) + k.op + k.dtypes[0]
		k.emit(m)
	}
	return kernels
}
