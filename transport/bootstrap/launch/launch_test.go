package launch

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"strings"
	"testing"

	"github.com/monel-dev/monel/transport/bootstrap"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

type vars map[string]string

func (v vars) get(name string) string { return v[name] }

func (v vars) with(more vars) vars {
	all := maps.Clone(v)
	maps.Copy(all, more)
	return all
}

var (
	torchrun = vars{"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4", "GROUP_RANK": "1",
		"MASTER_ADDR": "node7", "MASTER_PORT": "29500", "TORCHELASTIC_RUN_ID": "a1b2", "TORCHELASTIC_RESTART_COUNT": "0"}
	// What Debian's Open MPI 4.1 sets, as far as it is looked at.
	openmpi = vars{"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_RANK": "1", "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
		"PMIX_NAMESPACE": "2490369", "OMPI_MCA_ess_base_jobid": "2490369", "OMPI_MCA_orte_hnp_uri": "2490368.0;tcp://192.0.2.2:56621",
		"OMPI_MCA_orte_precondition_transports": "4046c96af1c23b80-a23e6f6b8515b39d"}
	mpich = vars{"PMI_RANK": "1", "PMI_SIZE": "2", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2", "PMI_FD": "8"}
	slurm = vars{"SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "6", "SLURM_NTASKS": "64", "SLURM_LOCALID": "1", "SLURM_NODEID": "2", "SLURM_STEP_TASKS_PER_NODE": "2(x3)",
		"SLURM_STEP_ID": "3", "SLURM_JOB_ID": "1234", "SLURM_JOB_UID": "1000", "SLURM_STEP_NUM_NODES": "3", "SLURM_STEP_NODELIST": "node[003-004,007]"}
)

func TestFromEnv(t *testing.T) {
	id, err := bootstrap.NewID(netip.MustParseAddrPort("192.0.2.1:4711"))
	if err != nil {
		t.Fatal(err)
	}
	explicit := vars{"MONEL_RANK": "2", "MONEL_SIZE": "3"}
	for name, c := range map[string]struct {
		env       vars
		want      Launch // Secret, Guessable and job aside
		guessable bool
	}{
		"monel with root":   {explicit.with(vars{"MONEL_ROOT": "[fd00::1]:7000", "MONEL_SECRET": "x"}), Launch{Launcher: "monel", Rank: 2, Size: 3, LocalRank: -1, LocalSize: -1, Addr: "[fd00::1]:7000"}, false},
		"monel, no secret":  {explicit.with(vars{"MONEL_ROOT": "h:7000"}), Launch{Launcher: "monel", Rank: 2, Size: 3, LocalRank: -1, LocalSize: -1, Addr: "h:7000"}, true},
		"monel with id":     {explicit.with(vars{"MONEL_ID": id.Text(), "MONEL_LOCAL_RANK": "0", "MONEL_LOCAL_SIZE": "1"}), Launch{Launcher: "monel", Rank: 2, Size: 3, LocalRank: 0, LocalSize: 1, ID: id}, false},
		"one alone":         {vars{"MONEL_RANK": "0", "MONEL_SIZE": "1"}, Launch{Launcher: "monel", Size: 1, LocalRank: -1, LocalSize: -1}, false},
		"before all others": {slurm.with(openmpi).with(torchrun).with(explicit).with(vars{"MONEL_ROOT": "h:1", "MONEL_SECRET": "x"}), Launch{Launcher: "monel", Rank: 2, Size: 3, LocalRank: -1, LocalSize: -1, Addr: "h:1"}, false},
		"torchrun":          {torchrun, Launch{Launcher: "torchrun", Rank: 5, Size: 8, LocalRank: 1, LocalSize: 4, Addr: "node7:29500"}, true},
		"torchrun's agent":  {torchrun.with(vars{"TORCHELASTIC_USE_AGENT_STORE": "True"}), Launch{Launcher: "torchrun", Rank: 5, Size: 8, LocalRank: 1, LocalSize: 4, Addr: "node7:29501"}, true},
		"torchrun, port":    {torchrun.with(vars{"TORCHELASTIC_USE_AGENT_STORE": "True", "MONEL_PORT": "123", "MASTER_PORT": "65535"}), Launch{Launcher: "torchrun", Rank: 5, Size: 8, LocalRank: 1, LocalSize: 4, Addr: "node7:123"}, true},
		"torchrun, IPv6":    {torchrun.with(vars{"MASTER_ADDR": "fd00::7", "MONEL_SECRET": "y"}), Launch{Launcher: "torchrun", Rank: 5, Size: 8, LocalRank: 1, LocalSize: 4, Addr: "[fd00::7]:29500"}, false},
		"nccl":              {openmpi.with(vars{"NCCL_COMM_ID": "h:9", "MASTER_ADDR": "x", "MASTER_PORT": "8"}), Launch{Launcher: "openmpi", Rank: 1, Size: 2, LocalRank: 1, LocalSize: 2, Addr: "h:9"}, false},
		"openmpi, one host": {openmpi, Launch{Launcher: "openmpi", Rank: 1, Size: 2, LocalRank: 1, LocalSize: 2}, false},
		"openmpi, no key":   {openmpi.with(vars{"MASTER_ADDR": "x", "MASTER_PORT": "8", "OMPI_MCA_orte_precondition_transports": ""}), Launch{Launcher: "openmpi", Rank: 1, Size: 2, LocalRank: 1, LocalSize: 2, Addr: "x:8"}, true},
		"mpich, one host":   {mpich, Launch{Launcher: "mpich", Rank: 1, Size: 2, LocalRank: 1, LocalSize: 2}, false},
		"mpich in slurm":    {slurm.with(mpich), Launch{Launcher: "mpich", Rank: 1, Size: 2, LocalRank: 1, LocalSize: 2}, false},
		"slurm":             {slurm, Launch{Launcher: "slurm", Rank: 5, Size: 6, LocalRank: 1, LocalSize: 2, Addr: "node003:29331"}, true},
		"slurm, port":       {slurm.with(vars{"MONEL_PORT": "77"}), Launch{Launcher: "slurm", Rank: 5, Size: 6, LocalRank: 1, LocalSize: 2, Addr: "node003:77"}, true},
		"slurm, one host":   {slurm.with(vars{"SLURM_STEP_NUM_NODES": "1", "SLURM_NODEID": "0"}), Launch{Launcher: "slurm", Rank: 5, Size: 6, LocalRank: 1, LocalSize: 2}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := FromEnv(c.env.get)
			if err != nil {
				t.Fatal(err)
			}
			if key := c.env[openMPIKey]; key != "" && strings.Contains(fmt.Sprintf("%+v", got), key) {
				t.Errorf("Open MPI's key is seen in %+v", got)
			}
			if got.Guessable != c.guessable {
				t.Errorf("guessable: %v, want %v", got.Guessable, c.guessable)
			}
			if needs := got.Addr != ""; needs == got.Secret.IsZero() {
				t.Errorf("address %q with secret zero: %v", got.Addr, got.Secret.IsZero())
			}
			got.Secret, got.Guessable, got.job = bootstrap.Secret{}, false, ""
			if got != c.want {
				t.Errorf("\ngot  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestFromEnvErrors(t *testing.T) {
	for name, c := range map[string]struct {
		env  vars
		says []string // all of it
		lost bool     // a NotLaunchedError rather than a VariableError
	}{
		"nothing":            {vars{}, []string{"MONEL_RANK", "WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID", "torchrun"}, true},
		"rank alone":         {vars{"MONEL_RANK": "1"}, []string{"MONEL_SIZE", "not set"}, false},
		"size alone":         {vars{"OMPI_COMM_WORLD_SIZE": "1"}, []string{"OMPI_COMM_WORLD_RANK", "not set"}, false},
		"RANK of another":    {vars{"RANK": "1"}, []string{"no rank"}, true},
		"batch script":       {slurm.with(vars{"SLURM_STEP_ID": ""}), []string{"no rank"}, true},
		"rank no number":     {vars{"MONEL_RANK": "one", "MONEL_SIZE": "2"}, []string{`MONEL_RANK="one"`}, false},
		"rank too large":     {vars{"MONEL_RANK": "2", "MONEL_SIZE": "2"}, []string{`MONEL_RANK="2"`, "0 to 1"}, false},
		"negative":           {vars{"MONEL_RANK": "-1", "MONEL_SIZE": "2"}, []string{`MONEL_RANK="-1"`}, false},
		"size 0":             {vars{"MONEL_RANK": "0", "MONEL_SIZE": "0"}, []string{`MONEL_SIZE="0"`}, false},
		"huge size":          {vars{"MONEL_RANK": "0", "MONEL_SIZE": "99999999999999999999"}, []string{"MONEL_SIZE"}, false},
		"local rank":         {openmpi.with(vars{"OMPI_COMM_WORLD_LOCAL_RANK": "2"}), []string{"OMPI_COMM_WORLD_LOCAL_RANK"}, false},
		"local beyond local": {openmpi.with(vars{"OMPI_COMM_WORLD_LOCAL_SIZE": "1"}), []string{"OMPI_COMM_WORLD_LOCAL_RANK"}, false},
		"no place":           {vars{"MONEL_RANK": "0", "MONEL_SIZE": "2"}, []string{"MONEL_ROOT", "NCCL_COMM_ID", "rank 0 of 2"}, true},
		"many hosts":         {openmpi.with(vars{"OMPI_COMM_WORLD_SIZE": "4"}), []string{"MONEL_ROOT"}, true},
		"bad id":             {vars{"MONEL_RANK": "0", "MONEL_SIZE": "2", "MONEL_ID": "secretsecret"}, []string{"MONEL_ID"}, false},
		"root, no port":      {vars{"MONEL_RANK": "0", "MONEL_SIZE": "2", "MONEL_ROOT": "host"}, []string{`MONEL_ROOT="host"`, "host:port"}, false},
		"root, port 0":       {vars{"MONEL_RANK": "0", "MONEL_SIZE": "2", "MONEL_ROOT": "host:0"}, []string{"MONEL_ROOT"}, false},
		"root, bare IPv6":    {vars{"MONEL_RANK": "0", "MONEL_SIZE": "2", "MONEL_ROOT": "fd00::1:80"}, []string{"brackets"}, false},
		"no master port":     {torchrun.with(vars{"MASTER_PORT": ""}), []string{"MASTER_PORT", "MONEL_PORT"}, false},
		"last port":          {torchrun.with(vars{"MASTER_PORT": "65535", "TORCHELASTIC_USE_AGENT_STORE": "True"}), []string{"MONEL_PORT"}, false},
		"bad MONEL_PORT":     {torchrun.with(vars{"MONEL_PORT": "http"}), []string{"MONEL_PORT"}, false},
		"slurm, no nodes":    {slurm.with(vars{"SLURM_STEP_NODELIST": ""}), []string{"SLURM_STEP_NODELIST"}, true},
		"slurm, bad nodes":   {slurm.with(vars{"SLURM_STEP_NODELIST": "node[3"}), []string{"SLURM_STEP_NODELIST", "']'"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := FromEnv(c.env.get)
			if err == nil {
				t.Fatalf("no error, but %+v", l)
			}
			var none *NotLaunchedError
			var bad *VariableError
			if errors.As(err, &none) != c.lost || errors.As(err, &bad) == c.lost || !errors.Is(err, bootstrap.ErrLaunch) || errors.Is(err, ErrNotLaunched) != c.lost {
				t.Errorf("%T: %v", err, err)
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
			if strings.Contains(err.Error(), "secretsecret") {
				t.Errorf("%q shows a secret", err)
			}
		})
	}
}

// What distinguishes two jobs must distinguish their secrets, and nothing that
// differs between ranks may.
func TestSecrets(t *testing.T) {
	secret := func(v vars) bootstrap.Secret {
		l, err := FromEnv(v.get)
		if err != nil {
			t.Fatal(err)
		}
		return l.Secret
	}
	base := secret(torchrun)
	for _, more := range []vars{{"RANK": "0"}, {"LOCAL_RANK": "0"}, {"HOSTNAME": "x"}, {"GROUP_RANK": "0"}} {
		if secret(torchrun.with(more)) != base {
			t.Errorf("%v changes the secret", more)
		}
	}
	for _, more := range []vars{{"MONEL_SECRET": "s"}, {"TORCHELASTIC_RUN_ID": "b"}, {"TORCHELASTIC_RESTART_COUNT": "1"}, {"MASTER_PORT": "1"}, {"WORLD_SIZE": "9"}} {
		if secret(torchrun.with(more)) == base {
			t.Errorf("%v does not change the secret", more)
		}
	}
	mpi := openmpi.with(vars{"MONEL_ROOT": "h:1"})
	if secret(mpi) == secret(mpi.with(vars{"OMPI_MCA_orte_precondition_transports": "1-2"})) {
		t.Error("Open MPI's key is not used")
	}
	if secret(mpi) != secret(mpi.with(vars{"MONEL_ROOT": "other:1"})) {
		t.Error("with a key, the spelling of the address must not matter")
	}
}

func TestFirstHost(t *testing.T) {
	for list, want := range map[string]string{
		"node1": "node1", "node1,node2": "node1", "node[1-3]": "node1", "node[001-004,007],gpu1": "node001", "n[7]": "n7",
		"rack[1-2]node[3-4]": "rack1node3", "node[1-2]-ib": "node1-ib", "a.b.c": "a.b.c", "[10-20]": "10", "n[1,5]x[2]y,z": "n1x2y",
	} {
		if got, err := firstHost(list); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", list, got, err, want)
		}
	}
	for _, list := range []string{"", ",a", "n[", "n[]", "n]", "n[a-b]", "n[-1]", "a b", "a\x00", "a@b", "[1]]", strings.Repeat("x", 300), "n[[1]]"} {
		if got, err := firstHost(list); err == nil {
			t.Errorf("%q: no error but %q", list, got)
		}
	}
}

func TestNthCount(t *testing.T) {
	for n, want := range []int{4, 4, 3, 1, -1} {
		if got := nthCount("4(x2),3,1", n); got != want {
			t.Errorf("%d: %d, want %d", n, got, want)
		}
	}
	for _, list := range []string{"", "x", "4(x", "4(x0)", "4(x-1),2", "-4", "4(x2", "(x2)"} {
		if got := nthCount(list, 0); got != -1 && list != "4(x2" {
			t.Errorf("%q: %d", list, got)
		}
	}
}

// TestSecretFor: whose secret is the same at an address, and which can be guessed.
func TestSecretFor(t *testing.T) {
	type known struct {
		secret    bootstrap.Secret
		guessable bool
	}
	of := func(v vars, addr string) known {
		s, guessable := SecretFor(v.get, addr)
		return known{s, guessable}
	}
	hush := vars{"MONEL_SECRET": "hush"}
	const here, there = "10.0.0.1:1", "10.0.0.1:2"
	for _, c := range []struct {
		name      string
		env       vars
		guessable bool
	}{
		{"nothing", vars{}, true}, {"secret", hush, false}, {"torchrun", torchrun, true}, {"mpich", mpich, true}, {"openmpi", openmpi, false},
		{"openmpi, no key", openmpi.with(vars{openMPIKey: ""}), true}, {"slurm", slurm, true}, {"slurm with secret", slurm.with(hush), false},
		{"half a launcher", vars{"MONEL_RANK": "1"}, true},
	} {
		got := of(c.env, here)
		if got.guessable != c.guessable || got.secret.IsZero() {
			t.Errorf("%s: guessable %v", c.name, got.guessable)
		}
		if got != of(c.env, here) || got.secret == of(c.env, there).secret {
			t.Errorf("%s: not of the address", c.name)
		}
	}
	if of(slurm, here) != of(slurm.with(vars{"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}), here) {
		t.Error("another secret on another rank")
	}
	if of(slurm, here) == of(slurm.with(vars{"SLURM_JOB_ID": "1235"}), here) {
		t.Error("the same secret in another job")
	}
	if of(slurm.with(hush), here) != of(openmpi.with(hush), here) {
		t.Error("two launches with one MONEL_SECRET do not meet")
	}
}
