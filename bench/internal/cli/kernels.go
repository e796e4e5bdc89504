package cli

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/monel-dev/monel/strided/dtype"
)

// Peer is another implementation, to measure beside ours.
type Peer string

// The peers of kernels.
const (
	GCC   Peer = "gcc"   // C loops, compiled on this machine
	Torch Peer = "torch" // PyTorch
)

// KernelsConfig is a command line of the verb kernels.
type KernelsConfig struct {
	DTypes []dtype.DType
	Ops    []dtype.Op
	Filter *regexp.Regexp // on the names of rows
	Chunk  int64          // bytes moved at a time in rows that move chunks
	Rounds int
	Time   time.Duration // of a row's passes in a round
	Peers  []Peer
	JSON   string
}

const kernelsHead = `Measure what the data path does to memory, on one core.

  bench kernels [flags]

The types measured by default have every element size and every class of
arithmetic; all of them take three times as long. Each row is a kernel on a
layout, with copies of as many bytes measured in turns: GB/s, read and written,
and the median ratio of the rates. Rows are verified element by element first.

Flags:
`

// KernelsUsage is the text that help prints.
func KernelsUsage() string {
	_, flags, _ := kernelsFlags()
	return kernelsHead + flags.FlagUsages()
}

func kernelsFlags() (*KernelsConfig, *pflag.FlagSet, *kernelsLine) {
	c, l := &KernelsConfig{}, &kernelsLine{chunk: 256 << 10, ops: opList{dtype.Sum}, dtypes: usualDTypes()}
	f := pflag.NewFlagSet("bench kernels", pflag.ContinueOnError)
	f.SortFlags = false
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	f.VarP(&l.dtypes, "datatype", "d", "element `types`, separated by commas: "+join(dtype.All())+", or all")
	f.VarP(&l.ops, "op", "o", "reduction `operator`: "+join(dtype.Ops())+", or all")
	f.StringVar(&l.filter, "filter", "", "only rows whose name, kernel/type/op/layout/chunk, matches `RE`")
	f.Var(&l.chunk, "chunk", "`bytes` moved at a time in the rows that move chunks")
	f.IntVar(&c.Rounds, "rounds", 5, "`times` that a row and its copies are measured in turns")
	f.DurationVar(&c.Time, "time", 5*time.Millisecond, "least `duration` of each measurement")
	f.StringSliceVar(&l.peers, "peers", nil, "also measure `these`: gcc (its loops for contiguous sums), torch (contiguous of PyTorch)")
	f.StringVar(&c.JSON, "json", "", "write one object per row to `FILE`; - is standard output")
	return c, f, l
}

// usualDTypes are types of every element size and class of arithmetic: integers
// of one size all add as fast as each other, and as memory allows.
func usualDTypes() dtypeList {
	return dtypeList{dtype.Int8, dtype.Float16, dtype.Float32, dtype.Float64, dtype.BFloat16, dtype.Float8E4M3}
}

type kernelsLine struct {
	ops    opList
	dtypes dtypeList
	chunk  ByteSize
	filter string
	peers  []string
}

// ParseKernels reads the arguments after the verb.
func ParseKernels(args []string) (*KernelsConfig, error) {
	c, f, l := kernelsFlags()
	if err := f.Parse(normalize(args)); err != nil {
		return nil, explain(err)
	}
	c.DTypes, c.Ops, c.Chunk = l.dtypes, l.ops, int64(l.chunk)
	var err error
	if c.Filter, err = regexp.Compile(l.filter); err != nil {
		return nil, fmt.Errorf("--filter %q: %w", l.filter, err)
	}
	for _, p := range l.peers {
		if !slices.Contains([]Peer{GCC, Torch}, Peer(p)) {
			return nil, fmt.Errorf("--peers %q: want gcc, torch or both, separated by a comma", p)
		}
		c.Peers = append(c.Peers, Peer(p))
	}
	switch {
	case f.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case c.Rounds < 1:
		return nil, fmt.Errorf("--rounds %d: at least 1 is needed", c.Rounds)
	case c.Chunk < 64 || c.Chunk%64 != 0:
		return nil, fmt.Errorf("--chunk %d: give a multiple of 64", c.Chunk)
	}
	return c, nil
}
