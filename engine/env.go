package engine

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/monel-dev/monel/engine/internal/logging"
	"github.com/monel-dev/monel/internal/environ"
	"github.com/monel-dev/monel/transport/bootstrap/launch"
	"github.com/monel-dev/monel/transport/rdma"
)

// ErrNotLaunched: the environment does not say that this process is a rank.
var ErrNotLaunched = launch.ErrNotLaunched

// FromEnv is the Config of this process as its launcher and its user describe it:
// Monel's own MONEL_RANK, MONEL_SIZE and MONEL_ID or MONEL_ROOT and MONEL_SECRET, or
// the variables of torchrun, Open MPI, MPICH or Slurm; and settings under the names
// that NCCL has for them, from the environment or NCCL's configuration files.
// docs/environment.md lists them all. The caller may change any setting before Init;
// an ID or Root that it sets replaces the launcher's.
//
// Without a launcher the error wraps ErrNotLaunched and lists what was looked
// for. A setting that cannot be read is none, and Init tells Logger so.
func FromEnv() (Config, error) { return FromVariables(os.Getenv) }

// FromVariables is FromEnv where getenv gives the values of variables, "" for those that
// are not set. It is for libraries in programs that are not Go's, whose environment
// changes without os.Getenv seeing it.
func FromVariables(getenv func(string) string) (Config, error) {
	l, err := launch.FromEnv(getenv)
	if err != nil {
		return Config{}, err
	}
	cfg := SettingsFromVariables(getenv)
	cfg.Rank, cfg.Size, cfg.launched = l.Rank, l.Size, &l
	return cfg, nil
}

// SettingsFromEnv is the Config of FromEnv without what the launcher says: which rank this
// is and where the ranks meet is the caller's to say.
func SettingsFromEnv() Config { return SettingsFromVariables(os.Getenv) }

// SettingsFromVariables is SettingsFromEnv with the variables of FromVariables.
func SettingsFromVariables(getenv func(string) string) Config {
	r := environ.OpenWith(getenv)
	cfg := Config{
		Interface:   r.Text("NCCL_SOCKET_IFNAME"),
		Family:      families[r.Text("NCCL_SOCKET_FAMILY")],
		Timeout:     r.Duration("MONEL_TIMEOUT"),
		InitTimeout: r.Duration("MONEL_INIT_TIMEOUT"),
		LostAfter:   lostAfterFrom(r),
		Connections: connectionsFrom(r),
		ChunkBytes:  chunkFrom(r),
		Checksums:   r.Flag("MONEL_CHECKSUMS"),
		Encrypt:     r.Flag("MONEL_ENCRYPT"),
		HopBytes:    numberFrom(r, "MONEL_HOP_BYTES"),
		History:     historyFrom(r),
		DumpFile:    r.Text("MONEL_DUMP_FILE"),
		TraceFile:   r.Text("MONEL_TRACE_FILE"),
		TraceHops:   numberFrom(r, "MONEL_TRACE_HOPS"),
		RDMA:        rdmaFrom(r),
		commID:      commIDFrom(r, getenv),

		NoSharedMemory: r.Flag("NCCL_SHM_DISABLE"),
	}
	cfg.Algorithm, cfg.Algorithms = algorithmsFrom(r)
	if r.Text("NCCL_NET") == "Socket" {
		cfg.RDMA.Disabled = true
	}
	cfg.logsFrom(r)
	r.CheckRest()
	onSignal := signalFrom(r)
	cfg.environment = &environment{cfg.Logger != nil, onSignal, r.Settings(), r.Warnings(), r.Remarks(), environ.Unknown(os.Environ())}
	return cfg
}

var families = map[string]string{"AF_INET": "ip4", "AF_INET6": "ip6"}

func numberFrom(r *environ.Reader, name string) int {
	n, _ := r.Number(name)
	return int(n)
}

// lostAfterFrom reads MONEL_LOST_AFTER, of which less than the least is the least.
func lostAfterFrom(r *environ.Reader) time.Duration {
	if d := r.Duration("MONEL_LOST_AFTER"); d > 0 {
		return max(d, MinLostAfter)
	}
	return 0
}

// connectionsFrom reads NCCL_SOCKET_NTHREADS and NCCL_NSOCKS_PERTHREAD. A link has
// as many connections as there would be sockets in NCCL, and what a thread is for there
// is done by whoever has time.
// It returns 0 where they say nothing.
func connectionsFrom(r *environ.Reader) int {
	threads, some := r.Number("NCCL_SOCKET_NTHREADS")
	sockets, more := r.Number("NCCL_NSOCKS_PERTHREAD")
	if !some && !more {
		return 0
	}
	product := max(threads, 1) * max(sockets, 1)
	if product > MaxConnections {
		r.Warn("NCCL_NSOCKS_PERTHREAD", fmt.Sprintf("%d connections for each link, at most %d are possible", product, MaxConnections))
		return 0
	}
	return int(product)
}

// chunkFrom reads NCCL_BUFFSIZE: a buffer there is what a link's slots are together
// here.
func chunkFrom(r *environ.Reader) int {
	buffer := numberFrom(r, "NCCL_BUFFSIZE")
	return buffer / ringDepth / alignBytes * alignBytes
}

// historyFrom reads MONEL_HISTORY, in which 0 means none.
func historyFrom(r *environ.Reader) int {
	n, ok := r.Number("MONEL_HISTORY")
	if ok && n == 0 {
		return -1
	}
	return int(n)
}

// signalFrom reads MONEL_DUMP_SIGNAL.
func signalFrom(r *environ.Reader) os.Signal {
	name := r.Text("MONEL_DUMP_SIGNAL")
	if name == "" {
		return nil
	}
	s := signalNamed(name)
	if s == nil {
		r.Warn("MONEL_DUMP_SIGNAL", "there is no such signal here")
	}
	return s
}

// rdmaFrom reads the settings of RDMA.
func rdmaFrom(r *environ.Reader) rdma.Settings {
	return rdma.FromEnv(func(name string) string {
		if name == "NCCL_IB_HCA" {
			return r.Text(name) // what of it can be used
		}
		return r.Get(name)
	})
}

// logsFrom reads what is logged and where.
func (cfg *Config) logsFrom(r *environ.Reader) {
	name := r.Text("NCCL_DEBUG")
	more, some := r.List("NCCL_DEBUG_LEVELS")
	if name == "" && !some {
		return
	}
	levels := logging.LevelsUpTo(name)
	for _, level := range environ.Levels {
		if some && selects(more, level) {
			levels |= logging.LevelNamed(level)
		}
	}
	cfg.Explain = levels.Has(logging.Info)
	var heard logging.Subsystems
	if list, ok := r.List("NCCL_DEBUG_SUBSYS"); ok {
		heard = subsystems{list}
	}
	pattern := r.Text("NCCL_DEBUG_FILE")
	if levels&^logging.Version == 0 && !strings.EqualFold(pattern, "stdout") {
		pattern = "" // as in NCCL, no file for so little
	}
	w, err := logging.Writer(pattern)
	if err != nil {
		r.Warn("NCCL_DEBUG_FILE", err.Error())
		w = os.Stderr
	}
	cfg.Logger = slog.New(logging.New(w, levels, heard))
}

// subsystems are those that NCCL_DEBUG_SUBSYS lists.
type subsystems struct{ environ.List }

func (s subsystems) Has(name string) bool { return selects(s.List, name) }

// selects reports whether a list selects a word, where ALL stands for every one.
func selects(list environ.List, word string) bool {
	if slices.Contains(list.Words, "ALL") {
		return !list.Except
	}
	return list.Has(word)
}

// environment is what FromEnv has found, for Init to report.
type environment struct {
	debug    bool      // NCCL_DEBUG or NCCL_DEBUG_LEVELS is set
	onSignal os.Signal // the one that asks for dumps; nil for none
	settings []environ.Setting
	warnings []environ.Warning
	remarks  []environ.Remark
	unknown  []string
}

const modulePath = "github.com/monel-dev/monel"

// version is the version of this module that the program was built with.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == modulePath && m.Version != "" {
			return m.Version
		}
	}
	return "(devel)"
}

// dumpOnce makes the process listen for the signal that the environment names.
var dumpOnce sync.Once

// reported are the warnings that this process has logged.
var reported sync.Map

// reportEnvironment sets up what a process has once and logs what FromEnv could not use, once in a process, and with
// Explain also what it has used.
func (cfg *Config) reportEnvironment() {
	env := cfg.environment
	if env == nil {
		return
	}
	if env.onSignal != nil {
		dumpOnce.Do(func() { DumpOnSignal(cfg.DumpFile, env.onSignal) })
	}
	log := logging.Of(cfg.Logger, logging.Env)
	for _, w := range env.warnings {
		if _, before := reported.LoadOrStore(w, true); !before {
			what := "environment variable ignored"
			if w.Partly {
				what = "environment variable used in part"
			}
			log.Warn(what, "name", w.Name, "value", w.Value, "reason", w.Why, "rank", cfg.Rank)
		}
	}
	if env.debug && cfg.Rank == 0 {
		log.Log(context.Background(), logging.LevelVersion, "Monel "+version())
	}
	if !cfg.Explain {
		return
	}
	for _, s := range env.settings {
		log.Info("environment variable", "name", s.Name, "value", s.Value, "from", s.From, "rank", cfg.Rank)
	}
	for _, m := range env.remarks {
		log.Info("environment variable has an effect in part", "name", m.Name, "reason", m.What, "rank", cfg.Rank)
	}
	if len(env.unknown) > 0 {
		log.Info("environment variables that are not known here", "names", strings.Join(env.unknown, " "), "rank", cfg.Rank)
	}
}
