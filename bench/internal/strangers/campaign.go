package strangers

import (
	"crypto/rand"
	"fmt"
	"math"
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
	Beside      []time.Duration // of a batch while as many call at a process beside the job
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
	beside, addr, err := cfg.bystander()
	if err != nil {
		return err
	}
	defer beside.end()
	for round := uint64(100); left.Load() > 0; round++ {
		for range 5 {
			quiet, err := j.calls(batch)
			if err != nil {
				return err
			}
			res.Quiet = append(res.Quiet, quiet.Took)
		}
		// As many elsewhere: what of the difference is not the job's doing.
		var many atomic.Int64
		many.Store(math.MaxInt32)
		a := &attack{targets: []string{addr}, recording: recording, rate: cfg.Rate, left: &many, seed: cfg.Seed + round}
		if res.Beside, err = j.suffer(a, res.Beside, nil); err != nil {
			return fmt.Errorf("reducing, with strangers beside the job: %w", err)
		}
		a = &attack{targets: j.addrs[1:], recording: recording, rate: cfg.Rate, left: left, seed: cfg.Seed + round} // the root has gone
		res.Busy, err = j.suffer(a, res.Busy, &res.Memory[1])
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
func (r *Result) Slowdown() float64 { return ratio(r.Busy, r.Quiet) }

// Own is the part of the slowdown that is the job's doing: the median time with strangers
// over that with as many at a process beside it which does nothing but hang up.
func (r *Result) Own() float64 { return ratio(r.Busy, r.Beside) }

func ratio(a, b []time.Duration) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	return float64(median(a)) / float64(median(b))
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
		text += fmt.Sprintf("all_reduce of 1 MiB: %.2f times the time without them, and %.2f times that with as many at a process beside the job, which hangs up at once (%d, %d and %d batches of %d calls), all values right\n",
			r.Slowdown(), r.Own(), len(r.Busy), len(r.Quiet), len(r.Beside), batch)
		text += fmt.Sprintf("memory of a rank: %.1f MiB before, at most %.1f MiB; descriptors: %d before, %d after\n",
			float64(r.Memory[0])/(1<<20), float64(r.Memory[1])/(1<<20), r.Open[0], r.Open[1])
	}
	return text
}
