package cli

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/pflag"
)

// DoctorConfig is a command line of the verb doctor.
type DoctorConfig struct {
	JSON string // file, "-" for standard output, empty for none
}

const doctorHead = `Look at what this machine has for collectives, and say what is lacking and how to
mend it: kernels for its processor, GPUs, network, RDMA, shared memory.

  bench doctor [flags]

Exit status: 0, whatever was found.

Flags:
`

// DoctorUsage is the text that help prints.
func DoctorUsage() string { return doctorHead + doctorFlags(new(DoctorConfig)).FlagUsages() }

func doctorFlags(c *DoctorConfig) *pflag.FlagSet {
	f := pflag.NewFlagSet("bench doctor", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	f.StringVar(&c.JSON, "json", "", "write what was found as one object to `FILE`; - or nothing is standard output")
	return f
}

// ParseDoctor reads the arguments after the verb.
func ParseDoctor(args []string) (*DoctorConfig, error) {
	c := &DoctorConfig{}
	f := doctorFlags(c)
	if n := len(args); n > 0 && args[n-1] == "--json" {
		args = append(slices.Clone(args), "-")
	}
	if err := f.Parse(args); err != nil {
		return nil, explain(err)
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return c, nil
}
