package engine

import (
	"os"

	"github.com/monel-dev/monel/transport/bootstrap/launch"
)

// ErrNotLaunched: the environment does not say that this process is a rank.
var ErrNotLaunched = launch.ErrNotLaunched

// FromEnv is the Config of this process as its launcher describes it: Monel's
// own MONEL_RANK, MONEL_SIZE and MONEL_ID or MONEL_ROOT and MONEL_SECRET, or the
// variables of torchrun, Open MPI, MPICH or Slurm. The documentation of package
// launch lists them. The caller may change any setting before Init; an ID or
// Root that it sets replaces the launcher's.
//
// Without a launcher the error wraps ErrNotLaunched and lists what was looked
// for.
func FromEnv() (Config, error) {
	l, err := launch.FromEnv(os.Getenv)
	if err != nil {
		return Config{}, err
	}
	return Config{Rank: l.Rank, Size: l.Size, launched: &l}, nil
}
