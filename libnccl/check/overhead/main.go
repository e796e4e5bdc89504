//go:build linux

// Command overhead measures what NCCL's interface costs beside package engine: all_reduces
// of two ranks over shared memory, by turns through libnccl.so.2 from a C program (overhead.c)
// and through engine from this one. scripts/libnccl_overhead.sh builds and runs both.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

const (
	ranks = 2
	room  = 1 << 20 // bytes of a rank's buffer, mapped as overhead.c does: how it lies makes a difference
	// starts is how often the processes are started: where the system happens to place
	// their pages makes some faster than others for as long as they run.
	starts = 10
)

func main() {
	log.SetFlags(0)
	switch {
	case len(os.Args) == 2:
		compare(os.Args[1])
	case len(os.Args) == 3:
		rank(os.Args[1], os.Args[2])
	default:
		log.Fatal("usage: overhead C-PROGRAM")
	}
}

// rank is one rank, as overhead.c has it.
func rank(number, id string) {
	cfg := engine.SettingsFromEnv()
	raw, err := hex.DecodeString(id)
	must(err)
	copy(cfg.ID[:], raw)
	cfg.Rank, err = strconv.Atoi(number)
	must(err)
	cfg.Size = ranks
	ctx := context.Background()
	comm, err := engine.Init(ctx, cfg)
	must(err)
	mapped, err := unix.Mmap(-1, 0, room, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	must(err)
	data := unsafe.Slice((*float32)(unsafe.Pointer(&mapped[0])), room/4)
	in := bufio.NewReader(os.Stdin)
	for {
		var bytes, calls int
		if _, err := fmt.Fscan(in, &bytes, &calls); err != nil {
			break
		}
		x := strided.Of(data[:bytes/4])
		var from time.Time
		for i := -1; i < calls; i++ {
			if i == 0 {
				from = time.Now()
			}
			must(comm.AllReduce(ctx, x, x, engine.Sum))
		}
		fmt.Println(float64(time.Since(from)) / float64(calls))
	}
	must(comm.Close())
}

// world is the two processes of one of the interfaces.
type world struct {
	in  [ranks]io.WriteCloser
	out [ranks]*bufio.Reader
	cmd [ranks]*exec.Cmd
}

func start(program string) *world {
	id, err := engine.NewLocalUniqueID()
	must(err)
	w := &world{}
	for r := range ranks {
		cmd := exec.Command(program, strconv.Itoa(r), hex.EncodeToString(id[:]))
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		must(err)
		out, err := cmd.StdoutPipe()
		must(err)
		must(cmd.Start())
		w.in[r], w.out[r], w.cmd[r] = in, bufio.NewReader(out), cmd
	}
	return w
}

// measure is the time of a call on rank 0, in nanoseconds.
func (w *world) measure(bytes, calls int) float64 {
	var took [ranks]float64
	for r := range ranks {
		_, err := fmt.Fprintln(w.in[r], bytes, calls)
		must(err)
	}
	for r := range ranks {
		_, err := fmt.Fscan(w.out[r], &took[r])
		must(err)
	}
	return took[0]
}

func (w *world) end() {
	for r := range ranks {
		must(w.in[r].Close())
	}
	for r := range ranks {
		must(w.cmd[r].Wait())
	}
}

// size is a size that is measured: so many rounds of so many calls by the same processes.
type size struct {
	bytes, calls, rounds int
	times                [2][]float64 // of a call, through C and Go
}

func compare(program string) {
	self, err := os.Executable()
	must(err)
	programs := []string{program, self}
	sizes := []size{{bytes: 8, calls: 400, rounds: 50}, {bytes: 4096, calls: 200, rounds: 50}, {bytes: 1 << 20, calls: 10, rounds: 50}}
	for first := range starts {
		var worlds [2]*world
		for i := range worlds {
			which := (first + i) % 2
			worlds[which] = start(programs[which])
		}
		for i := range sizes {
			sizes[i].measure(worlds)
		}
		for _, w := range worlds {
			w.end()
		}
	}
	fmt.Println("Nanoseconds of a call: the least of all rounds, of which a quarter, and half take no longer")
	fmt.Println("   bytes   C: least   quarter    median  Go: least   quarter    median   C - Go least, quarter, median   Go / C")
	for _, k := range sizes {
		k.print()
	}
}

// measure has the two worlds take turns, and leaves out what warms them up.
func (k *size) measure(worlds [2]*world) {
	for round := -2; round < k.rounds; round++ {
		for i := range worlds {
			which := (round + 2 + i) % 2
			took := worlds[which].measure(k.bytes, k.calls)
			if round >= 0 {
				k.times[which] = append(k.times[which], took)
			}
		}
	}
}

func (k *size) print() {
	fmt.Printf("%8d  ", k.bytes)
	var at [2][3]float64
	for i, times := range k.times {
		slices.Sort(times)
		at[i] = [3]float64{times[0], times[len(times)/4], times[len(times)/2]}
		for _, x := range at[i] {
			fmt.Printf("%9.0f ", x)
		}
	}
	for i := range at[0] {
		fmt.Printf("%9.0f ", at[0][i]-at[1][i])
	}
	for i := range at[0] {
		fmt.Printf(" %.3f", at[1][i]/at[0][i])
	}
	fmt.Println()
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
