package launch

import (
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"net"
	"strconv"
	"strings"

	"github.com/monel-dev/monel/transport/bootstrap"
)

// meeting finds out where the ranks meet and what secret they share.
func (e environment) meeting(l *Launch) error {
	if text := e.get("MONEL_ID"); text != "" {
		id, err := bootstrap.ParseIDText(text)
		if err != nil {
			return &VariableError{"MONEL_ID", "", err.Error()}
		}
		l.ID = id
		return nil
	}
	if l.Size == 1 {
		return nil // nobody to meet
	}
	addr, err := e.address(l)
	if err != nil {
		return err
	}
	l.job = e.job(l)
	if addr == "" {
		return nil // all on this host: rank 0 makes up a secret
	}
	l.Addr = addr
	phrase := e.getenv("MONEL_SECRET")
	key := e.get(openMPIKey)
	switch {
	case phrase != "":
		l.Secret = bootstrap.DeriveSecret("phrase\x00" + phrase + "\x00" + l.job)
	case l.Launcher == "openmpi" && key != "":
		// 128 random bits, made by mpirun for the ranks of one job.
		l.Secret = bootstrap.DeriveSecret("key\x00" + key + "\x00" + l.job)
	default:
		l.Secret = bootstrap.DeriveSecret("job\x00" + addr + "\x00" + strconv.Itoa(l.Size) + "\x00" + l.job)
		l.Guessable = true
	}
	return nil
}

// address returns host:port of rank 0, or "" when all ranks are on this host and
// nobody named one.
func (e environment) address(l *Launch) (string, error) {
	port, havePort, err := e.number("MONEL_PORT", 1, 65535)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"MONEL_ROOT", "NCCL_COMM_ID"} {
		value := e.get(name)
		if value == "" {
			continue
		}
		if err := checkAddr(value); err != nil {
			return "", &VariableError{name, value, err.Error()}
		}
		return value, nil
	}
	if host := e.get("MASTER_ADDR"); host != "" {
		master, ok, err := e.number("MASTER_PORT", 1, 65535)
		switch {
		case havePort:
		case err != nil:
			return "", err
		case !ok:
			return "", &VariableError{"MASTER_PORT", "", "not set, although MASTER_ADDR is; set it, or MONEL_PORT"}
		case strings.EqualFold(e.get("TORCHELASTIC_USE_AGENT_STORE"), "true"):
			// The agent listens there.
			if port = master + 1; port > 65535 {
				return "", &VariableError{"MASTER_PORT", strconv.Itoa(master), "torchrun's agent uses it, and there is no port after it for rank 0; set MONEL_PORT"}
			}
		default:
			port = master
		}
		addr := net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port))
		if err := checkAddr(addr); err != nil {
			return "", &VariableError{"MASTER_ADDR", host, err.Error()}
		}
		return addr, nil
	}
	if l.Launcher == "slurm" {
		return e.slurmAddress(l, port, havePort)
	}
	if l.LocalSize == l.Size && l.Launcher != "monel" {
		return "", nil
	}
	return "", &NotLaunchedError{
		fmt.Sprintf("this is rank %d of %d (%s), but nothing says where rank 0 can be reached", l.Rank, l.Size, l.Launcher),
		[]string{"MONEL_ID", "MONEL_ROOT", "NCCL_COMM_ID", "MASTER_ADDR and MASTER_PORT", "SLURM_STEP_NODELIST"},
		"set MONEL_ROOT=host:port on every rank, naming the host of rank 0 and a free port there",
	}
}

func checkAddr(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("want host:port, with brackets around an IPv6 address")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("want a port from 1 to 65535")
	}
	if host == "" || strings.ContainsAny(host, " \t\r\n/\x00") {
		return fmt.Errorf("want the name or address of the host of rank 0")
	}
	return nil
}

// Ports of Slurm jobs are taken from a range below the one from which systems
// give out ports of their own accord.
const (
	firstSlurmPort = 15000
	numSlurmPorts  = 15000
)

func (e environment) slurmAddress(l *Launch, port int, havePort bool) (string, error) {
	if nodes, ok, err := e.number("SLURM_STEP_NUM_NODES", 1, bootstrap.MaxSize); err != nil {
		return "", err
	} else if ok && nodes == 1 && !havePort {
		return "", nil
	}
	name, list := e.first("SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST")
	if list == "" {
		return "", &NotLaunchedError{fmt.Sprintf("this is rank %d of %d of a Slurm job step, but nothing says on which nodes", l.Rank, l.Size),
			[]string{"MONEL_ID", "MONEL_ROOT", "NCCL_COMM_ID", "MASTER_ADDR and MASTER_PORT", "SLURM_STEP_NODELIST"},
			"start the program with srun, or set MONEL_ROOT=host:port on every rank"}
	}
	host, err := firstHost(list)
	if err != nil {
		return "", &VariableError{name, list, err.Error()}
	}
	if !havePort {
		h := fnv.New32a()
		h.Write([]byte(e.job(l)))
		port = firstSlurmPort + int(h.Sum32()%numSlurmPorts)
	}
	return net.JoinHostPort(host, strconv.Itoa(port)), nil
}

const openMPIKey = "OMPI_MCA_orte_precondition_transports"

// jobVars identify a job: the same on all its ranks, and different for the next
// one where the launcher sees to that.
var jobVars = map[string][]string{
	"torchrun": {"TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT"},
	"openmpi":  {"PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid", "OMPI_MCA_orte_hnp_uri", openMPIKey},
	"mpich":    {"PMI_JOBID"},
	"slurm":    {"SLURM_CLUSTER_NAME", "SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_JOB_UID"},
}

func (e environment) job(l *Launch) string {
	var b strings.Builder
	b.WriteString(l.Launcher)
	for _, name := range jobVars[l.Launcher] {
		value := e.get(name)
		if name == openMPIKey && value != "" { // a secret, which is not to be seen in a Launch that is printed
			value = fmt.Sprintf("%x", sha256.Sum256([]byte(value)))
		}
		fmt.Fprintf(&b, "\x00%s=%s", name, value)
	}
	return b.String()
}
