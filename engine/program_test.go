package engine_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
)

// A program is what the ranks of a world do: collectives, and calls that make
// communicators of others and end them, in one order that all ranks keep. Programs are
// made at random, and each step checks its own result.
type program struct {
	seed  uint64
	size  int
	chunk int
	steps []programStep
}

// programStep is what the members of one communicator do, or of several at once.
type programStep struct {
	text  string
	comms []int // which communicators it is about; 0 is the world
	do    func(r *programRank, comm int) error
	all   func(r *programRank) error // instead: every rank of the world does this once
}

// group is a communicator as the generator knows it.
type group struct {
	id      int
	members []int // ranks of the world, by the communicator's rank
}

// generator makes a program of steps that are legal one after the other.
type generator struct {
	*rand.Rand
	program
	live []group // communicators that can be used
	made int
}

// stepMakers make the steps, the more often the greater the weight. A new collective
// takes its place in opMakers.
var stepMakers = []struct {
	weight int
	make   func(g *generator)
}{
	{12, (*generator).one},
	{4, (*generator).batch},
	{4, (*generator).concurrent},
	{3, (*generator).letters},
	{5, (*generator).groups},
	{4, (*generator).split},
	{3, (*generator).ahead},
	{3, (*generator).shrink},
	{1, (*generator).shrinkAbort},
	{1, (*generator).revoke},
	{1, (*generator).abort},
	{1, (*generator).grow},
	{2, (*generator).close},
}

func newProgram(seed uint64) program {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0x6d6f6e656c)), made: 1}
	g.seed, g.size, g.chunk = seed, 1+g.IntN(8), []int{64, 256, 4096}[g.IntN(3)]
	g.live = []group{{0, ranksTo(g.size)}}
	total := 0
	for _, m := range stepMakers {
		total += m.weight
	}
	for n := 4 + g.IntN(10); len(g.steps) < n && len(g.live) > 0; {
		at := g.IntN(total)
		for _, m := range stepMakers {
			if at -= m.weight; at < 0 {
				m.make(g)
				break
			}
		}
	}
	return g.program
}

func (p *program) String() string {
	lines := []string{fmt.Sprintf("program %d: %d ranks, chunks of %d bytes", p.seed, p.size, p.chunk)}
	for i, s := range p.steps {
		lines = append(lines, fmt.Sprintf("%3d %s", i, s.text))
	}
	return strings.Join(lines, "\n")
}

func (g *generator) any() group { return g.live[g.IntN(len(g.live))] }

func (g *generator) add(text string, comms []int, do func(*programRank, int) error) {
	g.steps = append(g.steps, programStep{text: text, comms: comms, do: do})
}

// addAll adds a step of all ranks of the world.
func (g *generator) addAll(text string, all func(*programRank) error) {
	g.steps = append(g.steps, programStep{text: text, all: all})
}

// born makes a communicator known.
func (g *generator) born(members []int) int {
	id := g.made
	g.made++
	g.live = append(g.live, group{id, members})
	return id
}

func (g *generator) forget(id int) {
	g.live = slices.DeleteFunc(g.live, func(c group) bool { return c.id == id })
}

// programRank is one rank of a world while a program runs.
type programRank struct {
	t     testing.TB
	rank  int // of the world
	comms map[int]*engine.Comm
	run   *programRun
}

// programRun is what the ranks share.
type programRun struct {
	program
	transport string // of communicators that are made by Init
	mu        sync.Mutex
	arrived   map[[2]int]*sync.WaitGroup // by step and communicator
	ids       map[int]*sharedID          // by the communicator that ranks grow into
}

// meet waits, outside of what is tested, until all members of a communicator have come.
func (r *programRank) meet(c group) {
	r.run.mu.Lock()
	key := [2]int{len(r.run.arrived), c.id}
	for k := range r.run.arrived {
		if k[1] == c.id {
			key = k // a communicator is revoked or aborted once
		}
	}
	wg := r.run.arrived[key]
	if wg == nil {
		wg = &sync.WaitGroup{}
		wg.Add(len(c.members))
		r.run.arrived[key] = wg
	}
	r.run.mu.Unlock()
	wg.Done()
	wg.Wait()
}

// took keeps a new communicator, which must have the given ranks of its parent.
func (r *programRank) took(id int, c *engine.Comm, parents []int) error {
	r.comms[id] = c
	if !slices.Equal(c.ParentRanks(), parents) || c.Size() != len(parents) {
		return fmt.Errorf("communicator %d has ranks %v of its parent, want %v", id, c.ParentRanks(), parents)
	}
	return nil
}

// execute runs the program on one rank and closes what is left.
func (r *programRank) execute() error {
	for i, s := range r.run.steps {
		if s.all != nil {
			if err := s.all(r); err != nil {
				return fmt.Errorf("rank %d, step %d: %w", r.rank, i, err)
			}
			continue
		}
		errs := make([]error, len(s.comms))
		var wg sync.WaitGroup
		for j, comm := range s.comms {
			if r.comms[comm] == nil {
				continue // this rank is no member
			}
			if len(s.comms) == 1 {
				errs[j] = s.do(r, comm)
			} else {
				wg.Go(func() { errs[j] = s.do(r, comm) })
			}
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return fmt.Errorf("rank %d, step %d: %w", r.rank, i, err)
			}
		}
	}
	for id := range 1000 {
		if c := r.comms[id]; c != nil {
			if err := c.Close(); err != nil {
				return fmt.Errorf("rank %d, closing communicator %d: %w", r.rank, id, err)
			}
		}
	}
	return nil
}

// runProgram runs a program on a world and reports what went wrong, with the program.
func runProgram(t *testing.T, seed uint64, transport string) {
	t.Helper()
	newWorld := worlds[transport]
	if transport == "inproc" {
		transport = "auto" // what its ranks agree on without being asked
	}
	run := &programRun{program: newProgram(seed), transport: transport, arrived: map[[2]int]*sync.WaitGroup{}, ids: map[int]*sharedID{}}
	w := newWorld(t, run.size, engine.Config{ChunkBytes: run.chunk})
	errs := make(chan error, run.size)
	for rank, c := range w {
		go func() {
			r := &programRank{forRank(t, rank), rank, map[int]*engine.Comm{0: c}, run}
			errs <- r.execute()
		}()
	}
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	for range run.size {
		select {
		case err := <-errs:
			if err != nil {
				t.Fatalf("%v\n%v\nreplay with %s=%d", err, &run.program, envProgram, seed)
			}
		case <-late.C:
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			t.Fatalf("a rank hangs\n%v\nreplay with %s=%d\n%s", &run.program, envProgram, seed, stacks)
		}
	}
}

// envProgram is the seed of the one program to run, or of the first of many with
// envPrograms.
const (
	envProgram  = "MONEL_PROGRAM"
	envPrograms = "MONEL_PROGRAMS"
)

// TestPrograms runs random programs on every transport, most of them between goroutines
// of this process. A program that fails is printed, and MONEL_PROGRAM=seed runs it
// again; MONEL_PROGRAMS=n runs so many.
func TestPrograms(t *testing.T) {
	count := map[string]int{"inproc": 2000, "tcp": 40, "shm": 20}
	if raceDetector {
		count = map[string]int{"inproc": 60, "tcp": 4, "shm": 3}
	}
	first := uint64(time.Now().UnixNano())
	if seed, err := strconv.ParseUint(os.Getenv(envProgram), 10, 64); err == nil {
		first = seed
		for name := range count {
			count[name] = 1
		}
	}
	if n, err := strconv.Atoi(os.Getenv(envPrograms)); err == nil {
		for name := range count {
			count[name] = n
		}
	}
	t.Logf("the first seed is %d", first)
	for name := range worlds {
		t.Run(name, func(t *testing.T) {
			for i := range count[name] {
				// Each in a test of its own, at whose end its world is closed.
				if !t.Run("", func(t *testing.T) { runProgram(t, first+uint64(i), name) }) {
					return
				}
			}
		})
	}
}

// TestProgramsRepeat: the same seed makes the same program.
func TestProgramsRepeat(t *testing.T) {
	for seed := range uint64(100) {
		a, b := newProgram(seed), newProgram(seed)
		require.Equal(t, a.String(), b.String())
	}
}
