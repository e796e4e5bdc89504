// Package launch finds out how this process was started as one of many: which
// rank it is, how many there are, where they meet and what secret they share. It
// reads the environment that torchrun, Open MPI, MPICH and Slurm set, or
// variables of Monel's own, and changes nothing in it.
//
// Three questions are answered one by one, each by the first of these that
// applies, so that launchers and addresses can be combined:
//
// Rank and world size (and local rank and size, where they are told):
//
//	MONEL_RANK, MONEL_SIZE                  MONEL_LOCAL_RANK, MONEL_LOCAL_SIZE
//	RANK, WORLD_SIZE                        LOCAL_RANK, LOCAL_WORLD_SIZE (torchrun)
//	OMPI_COMM_WORLD_RANK, _SIZE             OMPI_COMM_WORLD_LOCAL_RANK, _LOCAL_SIZE
//	PMI_RANK, PMI_SIZE                      MPI_LOCALRANKID, MPI_LOCALNRANKS (MPICH and its kin)
//	SLURM_PROCID, SLURM_STEP_NUM_TASKS      SLURM_LOCALID, SLURM_STEP_TASKS_PER_NODE (in a job step)
//
// Where they meet:
//
//	MONEL_ID                    the text of a unique id, which carries the secret, too
//	MONEL_ROOT                  host:port where rank 0 shall listen
//	NCCL_COMM_ID                the same, in NCCL's words
//	MASTER_ADDR, MASTER_PORT    the same, in torchrun's; see below for the port
//	all ranks on one host       rank 0 chooses a loopback port and leaves word for
//	                            the others in a file that only their user can read
//	SLURM_STEP_NODELIST         the first host, and a port made from the job's number
//
// torchrun's agent keeps MASTER_PORT for its own store when
// TORCHELASTIC_USE_AGENT_STORE is True, as it is nowadays: rank 0 then listens on
// MASTER_PORT + 1. MONEL_PORT names another port, for MASTER_ADDR and Slurm.
//
// What secret they share: MONEL_SECRET, any text that is hard to guess; or
// the random key that Open MPI gives to every rank of a job; or, for want of
// anything better, a hash of the job's identifiers, which keeps other jobs and
// port scanners out, but nobody who knows those identifiers. The last is logged.
package launch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/bootstrap"
)

// Launch is what the environment says about this process and its peers.
type Launch struct {
	Launcher string // "monel", "torchrun", "openmpi", "mpich" or "slurm"

	Rank, Size int
	LocalRank  int // among the ranks of this host, -1 when it is not told
	LocalSize  int // ranks of this host, -1 when it is not told

	ID     bootstrap.ID     // where the ranks meet; or
	Addr   string           // where rank 0 shall listen, with Secret; or neither:
	Secret bootstrap.Secret // all ranks are on this host, and rank 0 leaves word

	// Guessable says that Secret was made from the job's identifiers alone.
	Guessable bool

	job string // what distinguishes this job, the same on all ranks
}

// ErrNotLaunched: the environment does not say that this process is a rank.
var ErrNotLaunched = errors.New("not started by a launcher")

// NotLaunchedError says what was looked for in vain. It wraps ErrNotLaunched and
// bootstrap.ErrLaunch.
type NotLaunchedError struct {
	What   string   // what could not be found out
	Looked []string // the variables that would have told
	Hint   string
}

func (e *NotLaunchedError) Error() string {
	return fmt.Sprintf("%v: %s; looked for %s; %s", ErrNotLaunched, e.What, strings.Join(e.Looked, ", "), e.Hint)
}

// Unwrap returns the sentinels.
func (e *NotLaunchedError) Unwrap() []error { return []error{ErrNotLaunched, bootstrap.ErrLaunch} }

// VariableError is about a variable whose value makes no sense. It wraps
// bootstrap.ErrLaunch.
type VariableError struct {
	Name, Value string // Value is empty for variables that hold secrets
	Why         string
}

func (e *VariableError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("%v: environment variable %s: %s", bootstrap.ErrLaunch, e.Name, e.Why)
	}
	return fmt.Sprintf("%v: environment variable %s=%q: %s", bootstrap.ErrLaunch, e.Name, e.Value, e.Why)
}

// Unwrap returns bootstrap.ErrLaunch.
func (e *VariableError) Unwrap() error { return bootstrap.ErrLaunch }

// FromEnv asks getenv, usually os.Getenv, how this process was launched. Errors
// are *NotLaunchedError or *VariableError.
func FromEnv(getenv func(string) string) (Launch, error) {
	env := environment{getenv}
	l, err := env.ranks()
	if err != nil {
		return Launch{}, err
	}
	if err := env.meeting(&l); err != nil {
		return Launch{}, err
	}
	return l, nil
}

// Connect joins this process to the others, as bootstrap.Connect does with the
// rank, size, place and secret that l says; the rest of cfg is the caller's.
func (l Launch) Connect(ctx context.Context, cfg bootstrap.Config) (*bootstrap.Session, *bootstrap.Control, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = bootstrap.DefaultTimeout
	}
	cfg.Rank, cfg.Size = l.Rank, l.Size
	cfg.ID, cfg.Addr, cfg.Secret = l.ID, l.Addr, l.Secret
	if l.Size == 1 {
		return bootstrap.Connect(ctx, cfg)
	}
	if l.Guessable && l.Rank == 0 {
		cfg.Logger.Info(GuessableNotice, "launcher", l.Launcher)
	}
	if !l.ID.IsZero() || l.Addr != "" {
		return bootstrap.Connect(ctx, cfg)
	}
	began := time.Now()
	fail := func(err error) (*bootstrap.Session, *bootstrap.Control, error) {
		return nil, nil, &transport.RankError{Rank: l.Rank, Doing: "bootstrap", Err: err}
	}
	word, err := openHandover(l.job)
	if err != nil {
		return fail(err)
	}
	defer word.close()
	if l.Rank == 0 {
		root, err := bootstrap.NewRoot(ctx, bootstrap.RootConfig{Addr: "localhost:0", Logger: cfg.Logger})
		if err != nil {
			return fail(err)
		}
		defer root.Close()
		cfg.ID = root.ID()
		if err := word.leave(cfg.ID); err != nil {
			return fail(err)
		}
		defer word.remove()
		joined := cfg.Joined
		cfg.Joined = func() {
			// Before anybody goes on: the next world of these processes must
			// not take this word for its own.
			word.remove()
			root.Close()
			if joined != nil {
				joined()
			}
		}
		return bootstrap.Connect(ctx, cfg)
	}
	if cfg.ID, err = word.await(ctx, cfg.Timeout); err != nil {
		return fail(err)
	}
	cfg.Timeout = max(cfg.Timeout-time.Since(began), time.Millisecond)
	return bootstrap.Connect(ctx, cfg)
}
