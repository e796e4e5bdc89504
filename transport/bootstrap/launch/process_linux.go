package launch

import (
	"os"
	"strconv"
	"strings"
)

// processStat reads what /proc tells about a process.
func processStat(pid int) (name string, parent int, start string, ok bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", 0, "", false
	}
	return parseStat(string(b))
}

// parseStat reads a line like "12 (name) S 1 …". The name may hold anything,
// parentheses and spaces included.
func parseStat(line string) (name string, parent int, start string, ok bool) {
	open, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return "", 0, "", false
	}
	name = line[open+1 : end]
	fields := strings.Fields(line[end+1:])
	const parentAt, startAt = 4 - 3, 22 - 3 // of proc(5), counted from the third field
	if len(fields) <= startAt || fields[0] == "Z" || fields[0] == "X" {
		return "", 0, "", false
	}
	parent, err := strconv.Atoi(fields[parentAt])
	if err != nil {
		return "", 0, "", false
	}
	return name, parent, fields[startAt], true
}

// processStart tells when a living process was started, in ticks since the
// machine was.
func processStart(pid int) (string, bool) {
	_, _, start, ok := processStat(pid)
	return start, ok
}

// launcherNames are the programs whose children, direct or not, are the ranks of
// a job on one host.
var launcherNames = map[string]bool{
	"mpirun": true, "mpiexec": true, "orterun": true, "orted": true, "prterun": true, "prted": true,
	"mpirun.openmpi": true, "mpiexec.openmpi": true, "mpirun.mpich": true, "mpiexec.mpich": true,
	"mpiexec.hydra": true, "hydra_pmi_proxy": true, "pmi_proxy": true, "slurmstepd": true,
}

// launcherProcess identifies the process that started the ranks: the nearest
// ancestor that is a launcher, or, if asked for, the parent. It is empty when
// there is none.
func launcherProcess(orParent bool) string {
	pid := os.Getppid()
	for next, depth := pid, 0; next > 1 && depth < 64; depth++ {
		name, parent, start, ok := processStat(next)
		if !ok {
			break
		}
		if launcherNames[name] {
			return strconv.Itoa(next) + " " + start
		}
		next = parent
	}
	if _, _, start, ok := processStat(pid); ok && orParent {
		return strconv.Itoa(pid) + " " + start
	}
	return ""
}
