//go:build unix

package launch

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport/bootstrap"
)

// With this variable set, the test binary is one rank of a job: it connects
// twice, says hello, and leaves.
const childVar = "MONEL_TEST_LAUNCH_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVar) != "" {
		if err := child(); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child() error {
	l, err := FromEnv(os.Getenv)
	if err != nil {
		return err
	}
	for range 2 {
		s, c, err := l.Connect(context.Background(), bootstrap.Config{Timeout: 20 * time.Second, Logger: quiet})
		if err != nil {
			return err
		}
		pids := ""
		for _, p := range s.Table().Peers {
			pids += fmt.Sprint(" ", p.PID)
		}
		fmt.Printf("%s rank %d of %d local %d of %d:%s\n", l.Launcher, s.Rank(), s.Size(), l.LocalRank, l.LocalSize, pids)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err = c.Leave(ctx)
		cancel()
		c.Close()
		s.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// check looks at what size ranks have printed.
func check(t *testing.T, launcher string, size int, out string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2*size {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), 2*size, out)
	}
	_, pids, _ := strings.Cut(lines[0], ":")
	seen := map[string]int{}
	for _, line := range lines {
		head, p, _ := strings.Cut(line, ":")
		if p != pids || len(strings.Fields(p)) != size {
			t.Errorf("another table: %s", line)
		}
		seen[head]++
	}
	for r := range size {
		if head := fmt.Sprintf("%s rank %d of %d local %d of %d", launcher, r, size, r, size); seen[head] != 2 {
			t.Errorf("%q comes %d times in\n%s", head, seen[head], out)
		}
	}
}

// The launchers themselves, where they are installed, on one host and with no
// address given; through a shell, too, so that the ranks have different parents.
func TestRealLaunchers(t *testing.T) {
	for _, c := range []struct {
		name, launcher string
		command        []string
	}{
		{"Open MPI", "openmpi", []string{"mpirun.openmpi", "--allow-run-as-root", "--oversubscribe", "-n", "4"}},
		{"MPICH", "mpich", []string{"mpiexec.hydra", "-n", "4"}},
	} {
		for _, wrap := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s wrapped=%v", c.name, wrap), func(t *testing.T) {
				path, err := exec.LookPath(c.command[0])
				if err != nil {
					if os.Getenv("CI") != "" {
						t.Fatalf("%s is not installed: make deps installs it", c.command[0])
					}
					t.Skipf("%s is not installed", c.command[0])
				}
				args := append(c.command[1:len(c.command):len(c.command)], os.Args[0])
				if wrap {
					args = append(args[:len(args)-1], "sh", "-c", `"$0"; exit $?`, os.Args[0])
				}
				ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
				defer cancel()
				cmd := exec.CommandContext(ctx, path, args...)
				tmp := t.TempDir()
				cmd.Env = append(os.Environ(), childVar+"=1", "TMPDIR="+tmp)
				var errs bytes.Buffer
				cmd.Stderr = &errs
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("%v\n%s%s", err, out, errs.Bytes())
				}
				check(t, c.launcher, 4, string(out))
				if left, _ := os.ReadDir(fmt.Sprintf("%s/monel-%d", tmp, os.Getuid())); len(left) != 0 {
					t.Errorf("left behind: %v", left)
				}
			})
		}
	}
}

// The environments of launchers that need not be installed.
func TestLauncherEnvironments(t *testing.T) {
	port := func() string {
		r, err := bootstrap.NewRoot(context.Background(), bootstrap.RootConfig{Addr: "127.0.0.1:0", Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		return fmt.Sprint(r.Addr().Port())
	}
	const size = 3
	for name, env := range map[string]func(r int) []string{
		"torchrun": func(r int) []string {
			return []string{fmt.Sprint("RANK=", r), "WORLD_SIZE=3", fmt.Sprint("LOCAL_RANK=", r), "LOCAL_WORLD_SIZE=3", "MASTER_ADDR=localhost", "TORCHELASTIC_RUN_ID=x", "TORCHELASTIC_RESTART_COUNT=0"}
		},
		"monel": func(r int) []string {
			return []string{fmt.Sprint("MONEL_RANK=", r), "MONEL_SIZE=3", fmt.Sprint("MONEL_LOCAL_RANK=", r), "MONEL_LOCAL_SIZE=3", "MONEL_SECRET=hush"}
		},
		"mpich": func(r int) []string {
			return []string{fmt.Sprint("PMI_RANK=", r), "PMI_SIZE=3", fmt.Sprint("MPI_LOCALRANKID=", r), "MPI_LOCALNRANKS=3"}
		},
		"slurm": func(r int) []string {
			return []string{fmt.Sprint("SLURM_PROCID=", r), "SLURM_STEP_NUM_TASKS=3", fmt.Sprint("SLURM_LOCALID=", r), "SLURM_NODEID=0", "SLURM_STEP_TASKS_PER_NODE=3", "SLURM_STEP_ID=0", "SLURM_JOB_ID=9",
				"SLURM_STEP_NUM_NODES=1", "SLURM_STEP_NODELIST=localhost"}
		},
		"slurm with port": func(r int) []string {
			return []string{fmt.Sprint("SLURM_PROCID=", r), "SLURM_STEP_NUM_TASKS=3", fmt.Sprint("SLURM_LOCALID=", r), "SLURM_NODEID=0", "SLURM_STEP_TASKS_PER_NODE=3", "SLURM_STEP_ID=0", "SLURM_JOB_ID=9",
				"SLURM_STEP_NODELIST=localhost", "MONEL_PORT="}
		},
	} {
		t.Run(name, func(t *testing.T) {
			tmp, p := t.TempDir(), port()
			var wg sync.WaitGroup
			outs := make([]string, size)
			for r := range size {
				wg.Go(func() {
					cmd := exec.Command(os.Args[0])
					cmd.Env = []string{childVar + "=1", "TMPDIR=" + tmp}
					for _, v := range env(r) {
						if v == "MONEL_PORT=" {
							v += p
						}
						cmd.Env = append(cmd.Env, v)
					}
					switch name {
					case "torchrun":
						cmd.Env = append(cmd.Env, "MASTER_PORT="+p)
					case "monel":
						cmd.Env = append(cmd.Env, "MONEL_ROOT=127.0.0.1:"+p)
					}
					out, err := cmd.CombinedOutput()
					if err != nil {
						t.Errorf("rank %d: %v\n%s", r, err, out)
					}
					outs[r] = string(out)
				})
			}
			wg.Wait()
			launcher, _, _ := strings.Cut(name, " ")
			check(t, launcher, size, strings.Join(outs, ""))
		})
	}
}
