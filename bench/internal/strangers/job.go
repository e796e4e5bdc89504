package strangers

import (
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// job is ranks in processes of their own, whose addresses are known beforehand.
type job struct {
	cfg    *Config
	secret []byte
	addrs  []string // the root's, and each rank's
	ranks  []*agentProcess
}

func (cfg *Config) place(secret []byte) (*job, error) {
	j := &job{cfg: cfg, secret: secret}
	for range cfg.Ranks + 1 {
		addr, err := freeAddr()
		if err != nil {
			return nil, err
		}
		j.addrs = append(j.addrs, addr)
	}
	return j, nil
}

// gathering is how long all but rank 0 keep it waiting, and with it the root.
const gathering = time.Second

// start joins the ranks and returns how long it took the last one.
func (j *job) start() (time.Duration, error) {
	for rank := range j.cfg.Ranks {
		if rank == 1 {
			time.Sleep(gathering)
		}
		p, err := startAgent(exec.Command(j.cfg.Program, Word))
		if err != nil {
			return 0, err
		}
		j.ranks = append(j.ranks, p)
		if err := p.orders.Encode(order{Rank: rank, Size: j.cfg.Ranks, Root: j.addrs[0], Listen: j.addrs[1+rank], Secret: j.secret, Elements: elements}); err != nil {
			return 0, err
		}
	}
	_, last, err := j.hear()
	return last.Took, err
}

// calls has all ranks make some.
func (j *job) calls(n int) (report, error) {
	for _, p := range j.ranks {
		if err := p.orders.Encode(order{Calls: n}); err != nil {
			return report{}, err
		}
	}
	worst, _, err := j.hear()
	return worst, err
}

// suffer has the job work for two seconds while strangers come, and appends the times of
// the batches. Memory is the most that a rank has had.
func (j *job) suffer(a *attack, times []time.Duration, memory *int64) ([]time.Duration, error) {
	a.begin()
	defer a.end()
	for began := time.Now(); time.Since(began) < 2*time.Second && a.left.Load() > 0; {
		r, err := j.calls(batch)
		if err != nil {
			return times, err
		}
		times = append(times, r.Took)
		if memory != nil {
			*memory = max(*memory, r.Memory)
		}
	}
	return times, nil
}

// hear returns the worst of all ranks' answers and that of the last rank.
func (j *job) hear() (worst, last report, err error) {
	for rank, p := range j.ranks {
		r := report{}
		if e := p.answers.Decode(&r); e != nil {
			err = errors.Join(err, fmt.Errorf("rank %d has ended: %w", rank, e))
			continue
		}
		err = errors.Join(err, r.check(rank))
		worst.Took, worst.Memory, worst.Open = max(worst.Took, r.Took), max(worst.Memory, r.Memory), max(worst.Open, r.Open)
		last = r
	}
	return worst, last, err
}

func (j *job) end() {
	for _, p := range j.ranks {
		p.in.Close()
	}
	for _, p := range j.ranks {
		p.end()
	}
}
