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

	"github.com/monel-dev/monel/engine/internal/choose"
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
		Algorithm:   algorithmFrom(r),
		Connections: connectionsFrom(r),
		ChunkBytes:  chunkFrom(r),
		Checksums:   r.Flag("MONEL_CHECKSUMS"),
		Encrypt:     r.Flag("MONEL_ENCRYPT"),
		HopBytes:    numberFrom(r, "MONEL_HOP_BYTES"),
		History:     historyFrom(r),
		DumpFile:    r.Text("MONEL_DUMP_FILE"),
		TraceFile:   r.Text("MONEL_TRACE_FILE"),
		TraceHops:   numberFrom(r, "MONEL_TRACE_HOPS"),
		RDMA:        rdma.FromEnv(r.Get),
		commID:      commIDFrom(r, getenv),

		NoSharedMemory: r.Flag("NCCL_SHM_DISABLE"),
	}
	if r.Text("NCCL_NET") == "Socket" {
		cfg.RDMA.Disabled = true
	}
	cfg.logsFrom(r)
	r.CheckRest()
	onSignal := signalFrom(r)
	cfg.environment = &environment{cfg.Logger != nil, onSignal, r.Settings(), r.Warnings(), environ.Unknown(os.Environ())}
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

// algorithmFrom reads NCCL_ALGO. Tree is the name there of what doubling is here, and
// what does not exist here is left out.
func algorithmFrom(r *environ.Reader) string {
	all, _ := r.Algorithms("NCCL_ALGO")
	list, ok := all.For("allreduce")
	if !ok {
		return ""
	}
	named := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(list.Words, n) })
	}
	ring, doubling := named("ring"), named("tree", "doubling")
	switch {
	case ring == doubling:
		return choose.Auto.String()
	case ring != list.Except:
		return choose.Ring.String()
	}
	return choose.Doubling.String()
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

// logsFrom reads what is logged and where.
func (cfg *Config) logsFrom(r *environ.Reader) {
	name := r.Text("NCCL_DEBUG")
	if name == "" {
		return
	}
	level := logging.LevelNamed(name)
	cfg.Explain = level >= logging.Info
	var heard logging.Subsystems
	if list, ok := r.List("NCCL_DEBUG_SUBSYS"); ok {
		heard = subsystems{list}
	}
	pattern := r.Text("NCCL_DEBUG_FILE")
	w, err := logging.Writer(pattern)
	if err != nil {
		r.Warn("NCCL_DEBUG_FILE", err.Error())
		w = os.Stderr
	}
	cfg.Logger = slog.New(logging.New(w, level, heard))
}

// subsystems are those that NCCL_DEBUG_SUBSYS lists.
type subsystems struct{ environ.List }

func (s subsystems) Has(name string) bool {
	if slices.Contains(s.Words, "ALL") {
		return !s.Except
	}
	return s.List.Has(name)
}

// environment is what FromEnv has found, for Init to report.
type environment struct {
	debug    bool      // NCCL_DEBUG is set
	onSignal os.Signal // the one that asks for dumps; nil for none
	settings []environ.Setting
	warnings []environ.Warning
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
			log.Warn("environment variable ignored", "name", w.Name, "value", w.Value, "reason", w.Why, "rank", cfg.Rank)
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
	if len(env.unknown) > 0 {
		log.Info("environment variables that are not known here", "names", strings.Join(env.unknown, " "), "rank", cfg.Rank)
	}
}
