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

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

const ranks = 2

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
	data := make([]float32, 64<<18)
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

func compare(program string) {
	self, err := os.Executable()
	must(err)
	c, own := start(program), start(self)
	fmt.Println("Nanoseconds of a call: the least of all rounds, of which a quarter, and half take no longer")
	fmt.Println("   bytes   C: least   quarter    median  Go: least   quarter    median   C - Go least, quarter, median   Go / C")
	for _, k := range []struct{ bytes, calls, rounds int }{{8, 400, 500}, {4096, 200, 300}, {1 << 20, 10, 500}} {
		var cs, gos []float64
		for round := range k.rounds + 2 {
			a, b := c, own
			if round%2 == 1 {
				a, b = own, c
			}
			first, second := a.measure(k.bytes, k.calls), b.measure(k.bytes, k.calls)
			if round%2 == 1 {
				first, second = second, first
			}
			if round >= 2 { // the first warm up
				cs, gos = append(cs, first), append(gos, second)
			}
		}
		slices.Sort(cs)
		slices.Sort(gos)
		at := []int{0, len(cs) / 4, len(cs) / 2}
		fmt.Printf("%8d  ", k.bytes)
		for _, x := range [][]float64{cs, gos} {
			for _, i := range at {
				fmt.Printf("%9.0f ", x[i])
			}
		}
		for _, i := range at {
			fmt.Printf("%9.0f ", cs[i]-gos[i])
		}
		for _, i := range at {
			fmt.Printf(" %.3f", gos[i]/cs[i])
		}
		fmt.Println()
	}
	c.end()
	own.end()
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
