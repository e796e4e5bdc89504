package strangers

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"time"
)

// Config is a campaign.
type Config struct {
	Program     string // this one
	Ranks       int
	Connections int    // of strangers, about
	Rate        int    // of them a second
	Seed        uint64 // of what they do
}

// Result is what a campaign has found. Times and memory are for the slowest and the
// largest rank.
type Result struct {
	Ranks       int
	Connections int64           // of strangers that were made
	Joining     int64           // of them while ranks joined
	Joins       []time.Duration // with and without strangers, in turns
	Quiet, Busy []time.Duration // of a batch without and with strangers
	Memory      [2]int64        // before the strangers came and the most afterwards
	Open        [2]int          // descriptors, before and when all had gone
}

// ownNeeds is how many descriptors a rank may open for itself meanwhile, such as a pipe to
// wake a sleeper when it first sleeps; strangers come by the thousand.
const ownNeeds = 4

const (
	elements = 256 << 10 // 1 MiB
	batch    = 100       // calls
)

// Run joins ranks while strangers come, several times, and has a job reduce while
// the others come. An error says that something of the job did not go as without them.
func (cfg *Config) Run() (*Result, error) {
	secret := make([]byte, 32)
	rand.Read(secret)
	recording, err := record(secret)
	if err != nil {
		return nil, err
	}
	res := &Result{Ranks: cfg.Ranks}
	var left atomic.Int64
	left.Store(int64(cfg.Connections))
	const joins = 3
	for round := range joins {
		for _, disturbed := range []bool{false, true} {
			j, err := cfg.place(secret)
			if err != nil {
				return nil, err
			}
			a := &attack{targets: j.addrs, recording: recording, rate: cfg.Rate, left: &left, seed: cfg.Seed + uint64(round)}
			if disturbed {
				a.begin()
			}
			took, err := j.start()
			if disturbed {
				a.end()
				res.Joining += a.made.Load()
				res.Connections += a.made.Load()
			}
			if err != nil {
				j.end()
				return res, fmt.Errorf("joining, strangers %v: %w", disturbed, err)
			}
			res.Joins = append(res.Joins, took)
			if round < joins-1 || !disturbed {
				j.end()
				continue
			}
			defer j.end()
			return res, cfg.reduce(j, recording, &left, res)
		}
	}
	return res, nil
}

// reduce has the job work without and with strangers, in turns, until all have come.
func (cfg *Config) reduce(j *job, recording []byte, left *atomic.Int64, res *Result) error {
	if _, err := j.calls(batch); err != nil { // what is made at first use
		return err
	}
	before, err := j.calls(batch)
	if err != nil {
		return err
	}
	res.Memory, res.Open = [2]int64{before.Memory, before.Memory}, [2]int{before.Open, 0}
	for round := uint64(100); left.Load() > 0; round++ {
		for range 5 {
			quiet, err := j.calls(batch)
			if err != nil {
				return err
			}
			res.Quiet = append(res.Quiet, quiet.Took)
		}
		a := &attack{targets: j.addrs[1:], recording: recording, rate: cfg.Rate, left: left, seed: cfg.Seed + round} // the root has gone
		a.begin()
		var busy report
		var err error
		for began := time.Now(); err == nil && time.Since(began) < 2*time.Second && left.Load() > 0; {
			if busy, err = j.calls(batch); err == nil {
				res.Busy = append(res.Busy, busy.Took)
				res.Memory[1] = max(res.Memory[1], busy.Memory)
			}
		}
		a.end()
		res.Connections += a.made.Load()
		if err != nil {
			return fmt.Errorf("reducing, with strangers: %w", err)
		}
	}
	// Those that were about to say something are listened to for some seconds yet.
	after, err := j.calls(1)
	for began := time.Now(); err == nil && after.Open > res.Open[0]+ownNeeds && time.Since(began) < patience; after, err = j.calls(1) {
		time.Sleep(100 * time.Millisecond)
	}
	res.Open[1] = after.Open
	if err == nil && res.Open[1] > res.Open[0]+ownNeeds {
		err = fmt.Errorf("%d descriptors are open that were not before", res.Open[1]-res.Open[0])
	}
	return err
}

// Slowdown is the median time with strangers over that without.
func (r *Result) Slowdown() float64 {
	if len(r.Quiet) == 0 || len(r.Busy) == 0 {
		return 0
	}
	return float64(median(r.Busy)) / float64(median(r.Quiet))
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

// Text says what was found, in a few lines.
func (r *Result) Text() string {
	var quiet, busy []time.Duration
	for i, d := range r.Joins {
		if i%2 == 0 {
			quiet = append(quiet, d)
		} else {
			busy = append(busy, d)
		}
	}
	text := fmt.Sprintf("%d ranks, %d connections of strangers, %d of them while ranks joined\n", r.Ranks, r.Connections, r.Joining)
	if len(busy) > 0 {
		text += fmt.Sprintf("joining: %v without, %v with\n", median(quiet).Round(100*time.Microsecond), median(busy).Round(100*time.Microsecond))
	}
	if len(r.Busy) > 0 {
		text += fmt.Sprintf("all_reduce of 1 MiB: %.2f times the time without them (%d and %d batches of %d calls), all values right\n", r.Slowdown(), len(r.Busy), len(r.Quiet), batch)
		text += fmt.Sprintf("memory of a rank: %.1f MiB before, at most %.1f MiB; descriptors: %d before, %d after\n",
			float64(r.Memory[0])/(1<<20), float64(r.Memory[1])/(1<<20), r.Open[0], r.Open[1])
	}
	return text
}

// job is ranks in processes of their own, whose addresses are known beforehand.
type job struct {
	cfg    *Config
	secret []byte
	addrs  []string // the root's, and each rank's
	ranks  []*agentProcess
}

type agentProcess struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	orders  *json.Encoder
	answers *json.Decoder
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
		p := &agentProcess{cmd: exec.Command(j.cfg.Program, Word)}
		p.cmd.Stderr = os.Stderr
		in, err := p.cmd.StdinPipe()
		if err != nil {
			return 0, err
		}
		out, err := p.cmd.StdoutPipe()
		if err != nil {
			return 0, err
		}
		if rank == 1 {
			time.Sleep(gathering)
		}
		if err := p.cmd.Start(); err != nil {
			return 0, err
		}
		p.in, p.orders, p.answers = in, json.NewEncoder(in), json.NewDecoder(bufio.NewReader(out))
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
		timer := time.AfterFunc(20*time.Second, func() { p.cmd.Process.Kill() })
		p.cmd.Wait()
		timer.Stop()
	}
}
