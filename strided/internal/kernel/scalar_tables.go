package kernel

import "github.com/monel-dev/monel/strided/dtype"

// reduceScalar is the reference: plain Go for every operator and element type.
var reduceScalar = [numOps][numDTypes]reduceFunc{
	dtype.Sum:  sumScalar,
	dtype.Avg:  sumScalar,
	dtype.Prod: prodScalar,
	dtype.Max:  maxScalar,
	dtype.Min:  minScalar,
}

var sumScalar = [numDTypes]reduceFunc{
	dtype.Int8:       sum[int8],
	dtype.Uint8:      sum[uint8],
	dtype.Int32:      sum[int32],
	dtype.Uint32:     sum[uint32],
	dtype.Int64:      sum[int64],
	dtype.Uint64:     sum[uint64],
	dtype.Float16:    sumF16,
	dtype.Float32:    sum[float32],
	dtype.Float64:    sum[float64],
	dtype.BFloat16:   sumBF16,
	dtype.Float8E4M3: sumE4M3,
	dtype.Float8E5M2: sumE5M2,
}

var prodScalar = [numDTypes]reduceFunc{
	dtype.Int8:       prod[int8],
	dtype.Uint8:      prod[uint8],
	dtype.Int32:      prod[int32],
	dtype.Uint32:     prod[uint32],
	dtype.Int64:      prod[int64],
	dtype.Uint64:     prod[uint64],
	dtype.Float16:    prodF16,
	dtype.Float32:    prod[float32],
	dtype.Float64:    prod[float64],
	dtype.BFloat16:   prodBF16,
	dtype.Float8E4M3: prodE4M3,
	dtype.Float8E5M2: prodE5M2,
}

var maxScalar = [numDTypes]reduceFunc{
	dtype.Int8:       maxInt[int8],
	dtype.Uint8:      maxInt[uint8],
	dtype.Int32:      maxInt[int32],
	dtype.Uint32:     maxInt[uint32],
	dtype.Int64:      maxInt[int64],
	dtype.Uint64:     maxInt[uint64],
	dtype.Float16:    maxF16,
	dtype.Float32:    maxF32,
	dtype.Float64:    maxF64,
	dtype.BFloat16:   maxBF16,
	dtype.Float8E4M3: maxE4M3,
	dtype.Float8E5M2: maxE5M2,
}

var minScalar = [numDTypes]reduceFunc{
	dtype.Int8:       minInt[int8],
	dtype.Uint8:      minInt[uint8],
	dtype.Int32:      minInt[int32],
	dtype.Uint32:     minInt[uint32],
	dtype.Int64:      minInt[int64],
	dtype.Uint64:     minInt[uint64],
	dtype.Float16:    minF16,
	dtype.Float32:    minF32,
	dtype.Float64:    minF64,
	dtype.BFloat16:   minBF16,
	dtype.Float8E4M3: minE4M3,
	dtype.Float8E5M2: minE5M2,
}

// avgScalar adds and divides by the number of ranks.
var avgScalar = [numDTypes]finishFunc{
	dtype.Int8:       avgSigned[int8],
	dtype.Uint8:      avgUnsigned[uint8],
	dtype.Int32:      avgSigned[int32],
	dtype.Uint32:     avgUnsigned[uint32],
	dtype.Int64:      avgSigned[int64],
	dtype.Uint64:     avgUnsigned[uint64],
	dtype.Float16:    avgF16,
	dtype.Float32:    avgFloat[float32],
	dtype.Float64:    avgFloat[float64],
	dtype.BFloat16:   avgBF16,
	dtype.Float8E4M3: avgE4M3,
	dtype.Float8E5M2: avgE5M2,
}
