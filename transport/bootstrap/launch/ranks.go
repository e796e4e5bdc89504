package launch

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/monel-dev/monel/transport/bootstrap"
)

// environment looks variables up.
type environment struct{ getenv func(string) string }

func (e environment) get(name string) string { return strings.TrimSpace(e.getenv(name)) }

// first returns the first variable of names that is set, and its value.
func (e environment) first(names ...string) (name, value string) {
	for _, name = range names {
		if value = e.get(name); value != "" {
			return name, value
		}
	}
	return "", ""
}

// number reads a variable that must lie in [lo, hi]; ok is false when it is not
// set.
func (e environment) number(name string, lo, hi int) (n int, ok bool, err error) {
	value := e.get(name)
	if value == "" {
		return 0, false, nil
	}
	n, err = strconv.Atoi(value)
	if err != nil || n < lo || n > hi {
		return 0, false, &VariableError{name, value, fmt.Sprintf("want a number from %d to %d", lo, hi)}
	}
	return n, true, nil
}

// rankVars are the variables by which one launcher tells a process its place.
type rankVars struct {
	launcher   string
	rank       string
	size       []string // the first that is set
	localRank  string
	localSize  string
	needs      string // must be set, too, or the others mean something else
	neither    bool   // one of rank and size alone means nothing
	perNode    string // Slurm's list of tasks per node
	nodeNumber string
}

var launchers = []rankVars{
	{launcher: "monel", rank: "MONEL_RANK", size: []string{"MONEL_SIZE"}, localRank: "MONEL_LOCAL_RANK", localSize: "MONEL_LOCAL_SIZE"},
	{launcher: "torchrun", rank: "RANK", size: []string{"WORLD_SIZE"}, localRank: "LOCAL_RANK", localSize: "LOCAL_WORLD_SIZE", neither: true},
	{launcher: "openmpi", rank: "OMPI_COMM_WORLD_RANK", size: []string{"OMPI_COMM_WORLD_SIZE"}, localRank: "OMPI_COMM_WORLD_LOCAL_RANK", localSize: "OMPI_COMM_WORLD_LOCAL_SIZE"},
	{launcher: "mpich", rank: "PMI_RANK", size: []string{"PMI_SIZE"}, localRank: "MPI_LOCALRANKID", localSize: "MPI_LOCALNRANKS"},
	// SLURM_PROCID is 0 in a batch script, too, which is no step of its own.
	{launcher: "slurm", rank: "SLURM_PROCID", size: []string{"SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "SLURM_NPROCS"}, localRank: "SLURM_LOCALID",
		needs: "SLURM_STEP_ID", perNode: "SLURM_STEP_TASKS_PER_NODE", nodeNumber: "SLURM_NODEID"},
}

// ranks finds rank and size, and the local ones where they are told.
func (e environment) ranks() (Launch, error) {
	var looked []string
	for _, v := range launchers {
		looked = append(looked, v.rank+" and "+v.size[0])
		if v.needs != "" && e.get(v.needs) == "" {
			continue
		}
		sizeName, size := e.first(v.size...)
		rank := e.get(v.rank)
		switch {
		case rank == "" && size == "", v.neither && (rank == "" || size == ""):
			continue
		case rank == "":
			return Launch{}, &VariableError{v.rank, "", "not set, although " + sizeName + " is; start the program with the launcher, or set both"}
		case size == "":
			return Launch{}, &VariableError{v.size[0], "", "not set, although " + v.rank + " is; start the program with the launcher, or set both"}
		}
		return e.place(v, sizeName)
	}
	return Launch{}, &NotLaunchedError{"no rank and world size in the environment", looked,
		"start the program with torchrun, mpirun or srun, or set MONEL_RANK, MONEL_SIZE and MONEL_ROOT=host:port on every rank"}
}

func (e environment) place(v rankVars, sizeName string) (l Launch, err error) {
	l = Launch{Launcher: v.launcher, LocalRank: -1, LocalSize: -1}
	if l.Size, _, err = e.number(sizeName, 1, bootstrap.MaxSize); err != nil {
		return Launch{}, err
	}
	if l.Rank, _, err = e.number(v.rank, 0, bootstrap.MaxSize-1); err != nil {
		return Launch{}, err
	}
	if l.Rank >= l.Size {
		return Launch{}, &VariableError{v.rank, e.get(v.rank), fmt.Sprintf("%s is %d, so ranks go from 0 to %d", sizeName, l.Size, l.Size-1)}
	}
	if n, ok, err := e.number(v.localRank, 0, l.Size-1); err != nil {
		return Launch{}, err
	} else if ok {
		l.LocalRank = n
	}
	if v.perNode != "" {
		if node, ok, err := e.number(v.nodeNumber, 0, l.Size-1); err == nil && ok {
			if n := nthCount(e.get(v.perNode), node); n <= l.Size {
				l.LocalSize = n
			}
		}
	} else if n, ok, err := e.number(v.localSize, 1, l.Size); err != nil {
		return Launch{}, err
	} else if ok {
		l.LocalSize = n
	}
	if l.LocalSize >= 0 && l.LocalRank >= l.LocalSize {
		return Launch{}, &VariableError{v.localRank, e.get(v.localRank), fmt.Sprintf("there are %d ranks on this host", l.LocalSize)}
	}
	return l, nil
}
