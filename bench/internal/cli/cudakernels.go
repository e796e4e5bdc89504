package cli

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/monel-dev/monel/bench/internal/cudakernels"
	"github.com/monel-dev/monel/strided/dtype"
)

// CUDAKernelsConfig is a command line of the verb cuda-kernels.
type CUDAKernelsConfig struct {
	DTypes []dtype.DType
	Ops    []dtype.Op
	Slots  []cudakernels.Slots
	Filter *regexp.Regexp // on the names of rows
	Plan   cudakernels.Plan
	Chunk  int64 // bytes moved at a time in rows that move chunks
	Device int
	Torch  bool
	JSON   string
}

const cudaKernelsHead = `Measure what the data path does to a GPU's memory.

  bench cuda-kernels [flags]

Each row is a kernel on a layout, with slots on the device or in pinned memory of
the host, and the driver's copies of as many bytes measured in turns. Rows are
verified element by element first, on a smaller tensor of the same layout.

Flags:
`

// CUDAKernelsUsage is the text that help prints.
func CUDAKernelsUsage() string {
	_, flags, _ := cudaKernelsFlags()
	return cudaKernelsHead + flags.FlagUsages()
}

type cudaKernelsLine struct {
	ops                 opList
	dtypes              dtypeList
	bytes, check, chunk ByteSize
	slots, peers        []string
	filter              string
}

func cudaKernelsFlags() (*CUDAKernelsConfig, *pflag.FlagSet, *cudaKernelsLine) {
	c := &CUDAKernelsConfig{}
	l := &cudaKernelsLine{
		ops: opList{dtype.Sum}, dtypes: dtypeList{dtype.Float32, dtype.Float16, dtype.Float64, dtype.Int8},
		bytes: 256 << 20, check: 8 << 20, chunk: 1 << 20,
	}
	f := pflag.NewFlagSet("bench cuda-kernels", pflag.ContinueOnError)
	f.SortFlags = false
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	f.VarP(&l.dtypes, "datatype", "d", "element `types`, separated by commas: "+join(dtype.All())+", or all")
	f.VarP(&l.ops, "op", "o", "reduction `operator`: "+join(dtype.Ops())+", or all")
	f.StringVar(&l.filter, "filter", "", "only rows whose name, kernel/type/op/layout/slots/chunk, matches `RE`")
	f.StringSliceVar(&l.slots, "slots", []string{"device", "pinned"}, "where slots are: `device`, pinned or both")
	f.Var(&l.bytes, "bytes", "about how large tensors are, in `bytes`")
	f.Var(&l.check, "check", "about how large tensors are verified, in `bytes`")
	f.Var(&l.chunk, "chunk", "`bytes` moved at a time in the rows that move chunks")
	f.IntVar(&c.Device, "gpu", 0, "`number` of the GPU")
	f.IntVar(&c.Plan.Rounds, "rounds", 5, "`times` that a row and its copies are measured in turns")
	f.DurationVar(&c.Plan.MinTime, "time", 10*time.Millisecond, "least `duration` of each measurement")
	f.StringSliceVar(&l.peers, "peers", nil, "also measure `torch`: contiguous and copy_ of PyTorch")
	f.StringVar(&c.JSON, "json", "", "write one object per row to `FILE`; - is standard output")
	return c, f, l
}

// ParseCUDAKernels reads the arguments after the verb.
func ParseCUDAKernels(args []string) (*CUDAKernelsConfig, error) {
	c, f, l := cudaKernelsFlags()
	if err := f.Parse(normalize(args)); err != nil {
		return nil, explain(err)
	}
	c.DTypes, c.Ops, c.Chunk = l.dtypes, l.ops, int64(l.chunk)
	c.Plan.Bytes, c.Plan.CheckBytes = int64(l.bytes), int64(l.check)
	var err error
	if c.Filter, err = regexp.Compile(l.filter); err != nil {
		return nil, fmt.Errorf("--filter %q: %w", l.filter, err)
	}
	for _, s := range l.slots {
		if !slices.Contains([]cudakernels.Slots{cudakernels.Device, cudakernels.Pinned}, cudakernels.Slots(s)) {
			return nil, fmt.Errorf("--slots %q: want device, pinned or both, separated by a comma", s)
		}
		c.Slots = append(c.Slots, cudakernels.Slots(s))
	}
	for _, p := range l.peers {
		if Peer(p) != Torch {
			return nil, fmt.Errorf("--peers %q: want torch", p)
		}
		c.Torch = true
	}
	const least = 1 << 10
	switch {
	case f.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case c.Plan.Rounds < 1:
		return nil, fmt.Errorf("--rounds %d: at least 1 is needed", c.Plan.Rounds)
	case c.Chunk < 64 || c.Chunk%64 != 0:
		return nil, fmt.Errorf("--chunk %d: give a multiple of 64", c.Chunk)
	case c.Plan.Bytes < least || c.Plan.CheckBytes < least:
		return nil, fmt.Errorf("--bytes %d, --check %d: tensors have %d bytes at least", c.Plan.Bytes, c.Plan.CheckBytes, least)
	case c.Device < 0:
		return nil, fmt.Errorf("--gpu %d: GPUs are numbered from 0", c.Device)
	}
	return c, nil
}
