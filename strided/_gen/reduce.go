package main

import "slices"

// A starter emits what precedes a loop and returns the loop's step. divisor is
// nil but for averages.
type starter func(m *machine, divisor vec) step

// vectors starts a combiner.
func vectors(c combiner) starter {
	return func(m *machine, _ vec) step { return onVectors(c(m)) }
}

// narrow starts a sum or product that is done in float32.
func narrow(kind func(*machine, binary32) step, f binary32) starter {
	return func(m *machine, _ vec) step { return kind(m, f) }
}

// average starts a sum done in float32 and divided.
func average(kind func(*machine, binary32) step) starter {
	return func(m *machine, divisor vec) step { return kind(m, avg32(divisor)) }
}

// narrowTypes are widened for arithmetic.
var narrowTypes = []string{"Float16", "BFloat16", "Float8E4M3", "Float8E5M2"}

// kernelFor names the function for an operator and a list of element types, all
// spelled as the constants of package dtype.
type kernelFor struct {
	op     string
	dtypes []string
	reduction
}

// reductions emits all reductions and returns what serves what.
func reductions(m *machine) []kernelFor {
	one := func(op, dtype string, size, unroll int, s starter) kernelFor {
		return kernelFor{op, []string{dtype}, reduction{size: size, unroll: unroll, start: s}}
	}
	two := func(op, dtype, other string, size, unroll int, s starter) kernelFor {
		k := one(op, dtype, size, unroll, s)
		k.dtypes = append(k.dtypes, other)
		return k
	}
	avg := func(dtype, divisor string, size, unroll int, s starter) kernelFor {
		k := one("Avg", dtype, size, unroll, s)
		k.divisor = divisor
		return k
	}
	kernels := []kernelFor{
		two("Sum", "Int8", "Uint8", 1, 4, vectors(addInt8)),
		two("Sum", "Int32", "Uint32", 4, 4, vectors(addInt32)),
		two("Sum", "Int64", "Uint64", 8, 4, vectors(addInt64)),
		one("Sum", "Float16", 2, 2, narrow(float16, add32)),
		one("Sum", "Float32", 4, 4, vectors(addFloat32)),
		one("Sum", "Float64", 8, 4, vectors(addFloat64)),
		one("Sum", "BFloat16", 2, 2, narrow(bfloat16, add32)),
		one("Sum", "Float8E4M3", 1, 2, e4m3.sum),
		one("Sum", "Float8E5M2", 1, 2, e5m2.sum),

		two("Prod", "Int8", "Uint8", 1, 2, vectors(mulInt8)),
		two("Prod", "Int32", "Uint32", 4, 4, vectors(mulInt32)),
		two("Prod", "Int64", "Uint64", 8, 2, vectors(mulInt64)),
		one("Prod", "Float16", 2, 2, narrow(float16, mul32)),
		one("Prod", "Float32", 4, 4, vectors(mulFloat32)),
		one("Prod", "Float64", 8, 4, vectors(mulFloat64)),
		one("Prod", "BFloat16", 2, 2, narrow(bfloat16, mul32)),
		one("Prod", "Float8E4M3", 1, 2, e4m3.product),
		one("Prod", "Float8E5M2", 1, 2, e5m2.product),

		one("Max", "Int8", 1, 4, vectors(maxInt8)),
		one("Max", "Uint8", 1, 4, vectors(maxUint8)),
		one("Max", "Int32", 4, 4, vectors(maxInt32)),
		one("Max", "Uint32", 4, 4, vectors(maxUint32)),
		one("Max", "Int64", 8, 2, vectors(selectInt64(true, true))),
		one("Max", "Uint64", 8, 2, vectors(selectInt64(false, true))),
		one("Max", "Float16", 2, 2, vectors(selectNarrow(16, 0x7c00, 0x7e00, true))),
		one("Max", "Float32", 4, 2, vectors(selectWide(32, true))),
		one("Max", "Float64", 8, 2, vectors(selectWide(64, true))),
		one("Max", "BFloat16", 2, 2, vectors(selectNarrow(16, 0x7f80, 0x7fc0, true))),
		one("Max", "Float8E4M3", 1, 2, vectors(selectNarrow(8, 0x7e, 0x7f, true))),
		one("Max", "Float8E5M2", 1, 2, vectors(selectNarrow(8, 0x7c, 0x7f, true))),

		one("Min", "Int8", 1, 4, vectors(minInt8)),
		one("Min", "Uint8", 1, 4, vectors(minUint8)),
		one("Min", "Int32", 4, 4, vectors(minInt32)),
		one("Min", "Uint32", 4, 4, vectors(minUint32)),
		one("Min", "Int64", 8, 2, vectors(selectInt64(true, false))),
		one("Min", "Uint64", 8, 2, vectors(selectInt64(false, false))),
		one("Min", "Float16", 2, 2, vectors(selectNarrow(16, 0x7c00, 0x7e00, false))),
		one("Min", "Float32", 4, 2, vectors(selectWide(32, false))),
		one("Min", "Float64", 8, 2, vectors(selectWide(64, false))),
		one("Min", "BFloat16", 2, 2, vectors(selectNarrow(16, 0x7f80, 0x7fc0, false))),
		one("Min", "Float8E4M3", 1, 2, vectors(selectNarrow(8, 0x7e, 0x7f, false))),
		one("Min", "Float8E5M2", 1, 2, vectors(selectNarrow(8, 0x7c, 0x7f, false))),

		avg("Float16", "float32", 2, 1, average(float16)),
		avg("Float32", "float32", 4, 2, avgFloat32),
		avg("Float64", "float64", 8, 2, avgFloat64),
		avg("BFloat16", "float32", 2, 1, average(bfloat16)),
		avg("Float8E4M3", "float32", 1, 1, e4m3.average),
		avg("Float8E5M2", "float32", 1, 1, e5m2.average),
	}
	for i := range kernels {
		k := &kernels[i]
		k.ahead = slices.Contains(narrowTypes, k.dtypes[0])
		k.name = tierName(m.width) + k.op + k.dtypes[0]
		k.emit(m)
	}
	return kernels
}
