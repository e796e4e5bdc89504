package engine

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/monel-dev/monel/engine/internal/choose"
	"github.com/monel-dev/monel/transport/bootstrap/launch"
)

// ErrNotLaunched: the environment does not say that this process is a rank.
var ErrNotLaunched = launch.ErrNotLaunched

// FromEnv is the Config of this process as its launcher describes it: Monel's
// own MONEL_RANK, MONEL_SIZE and MONEL_ID or MONEL_ROOT and MONEL_SECRET, or the
// variables of torchrun, Open MPI, MPICH or Slurm. The documentation of package
// launch (transport/bootstrap/launch) lists them. The caller may change any
// setting before Init; an ID or Root that it sets replaces the launcher's.
//
// Some of NCCL's variables count too:
//
//	NCCL_SOCKET_IFNAME  Config.Interface
//	NCCL_ALGO           Config.Algorithm: names separated by commas, "^" in front
//	                    for all but those; "ring" and "tree", which is the name
//	                    there for what doubling is here, in any case. What Monel
//	                    does not have is ignored, and so is a list without
//	                    anything that it has.
//	NCCL_SOCKET_NTHREADS, NCCL_NSOCKS_PERTHREAD
//	                    Config.Connections is their product, each being 1 where it
//	                    is not set. What is not a positive number is ignored, and
//	                    so is a product above MaxConnections.
//	MONEL_HOP_BYTES     Config.HopBytes; what is not a positive number is ignored
//	NCCL_DEBUG          INFO or TRACE: Config.Explain
//
// Without a launcher the error wraps ErrNotLaunched and lists what was looked
// for.
func FromEnv() (Config, error) {
	l, err := launch.FromEnv(os.Getenv)
	if err != nil {
		return Config{}, err
	}
	debug := strings.ToUpper(os.Getenv("NCCL_DEBUG"))
	return Config{
		Rank: l.Rank, Size: l.Size, launched: &l,
		Interface:   os.Getenv("NCCL_SOCKET_IFNAME"),
		Algorithm:   algorithmNamed(os.Getenv("NCCL_ALGO")),
		Connections: connectionsFrom(os.Getenv("NCCL_SOCKET_NTHREADS"), os.Getenv("NCCL_NSOCKS_PERTHREAD")),
		HopBytes:    positive(os.Getenv("MONEL_HOP_BYTES"), choose.MaxHop),
		Explain:     debug == "INFO" || debug == "TRACE",
	}, nil
}

// algorithmNamed reads NCCL_ALGO.
func algorithmNamed(list string) string {
	list, except := strings.CutPrefix(strings.ToLower(strings.TrimSpace(list)), "^")
	var allowed []choose.AllReduce
	for _, name := range strings.Split(list, ",") {
		switch name = strings.TrimSpace(name); name {
		case "tree", choose.Doubling.String():
			allowed = append(allowed, choose.Doubling)
		case choose.Ring.String():
			allowed = append(allowed, choose.Ring)
		}
	}
	ring, doubling := slices.Contains(allowed, choose.Ring), slices.Contains(allowed, choose.Doubling)
	switch {
	case ring == doubling:
		return choose.Auto.String()
	case ring != except:
		return choose.Ring.String()
	}
	return choose.Doubling.String()
}

// connectionsFrom reads NCCL_SOCKET_NTHREADS and NCCL_NSOCKS_PERTHREAD. There are
// no threads to be counted here, but as many sockets as there would be in NCCL.
// It returns 0 where they say nothing.
func connectionsFrom(threads, perThread string) int {
	product := 0
	for _, s := range []string{threads, perThread} {
		if n := positive(s, MaxConnections); n > 0 {
			product = max(product, 1) * n
		}
	}
	if product > MaxConnections {
		return 0
	}
	return product
}

// positive is the number from 1 to most that s is, else 0.
func positive(s string, most int) int {
	if n, err := strconv.Atoi(strings.TrimSpace(s)); err == nil && n > 0 && n <= most {
		return n
	}
	return 0
}
