package strangers

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// Word is the command line's that makes a process an agent.
const Word = "strangers-agent"

// order tells an agent which rank it is, or to make some calls.
type order struct {
	Rank, Size   int
	Root, Listen string
	Secret       []byte
	Elements     int64

	Calls int

	Bystander bool // no rank at all
}

// report is an agent's answer.
type report struct {
	Error  string
	Wrong  int           // elements
	Took   time.Duration // to join, or for all calls
	Memory int64         // resident bytes
	Open   int           // descriptors
	Addr   string        // a bystander's
}

// Agent carries out the orders that it reads from in and answers each on out.
func Agent(in io.Reader, out io.Writer) error {
	orders, answers := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	var place order
	if err := orders.Decode(&place); err != nil {
		return err
	}
	if place.Bystander {
		return bystand(orders, answers)
	}
	began := time.Now()
	c, err := engine.Init(context.Background(), engine.Config{
		Rank: place.Rank, Size: place.Size, Root: place.Root, Listen: place.Listen, Secret: place.Secret,
		Transport: "tcp", InitTimeout: time.Minute, Timeout: time.Minute, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return answers.Encode(report{Error: err.Error()})
	}
	defer c.Close()
	r := report{Took: time.Since(began)}
	x := make([]int32, place.Elements)
	for {
		r.Memory, r.Open = resources()
		if err := answers.Encode(r); err != nil {
			return err
		}
		var o order
		if err := orders.Decode(&o); err != nil {
			return nil // that was all
		}
		r = makeCalls(c, x, o.Calls)
	}
}

// makeCalls all-reduces x, a transposed matrix, in place, and looks at every element.
func makeCalls(c *engine.Comm, x []int32, calls int) (r report) {
	t := strided.Of(x).Reshape(int64(len(x)/8), 8).Permute(1, 0)
	for range calls {
		for i := range x {
			x[i] = int32(i + c.Rank())
		}
		began := time.Now()
		if err := c.AllReduce(context.Background(), t, t, engine.Sum); err != nil {
			return report{Error: err.Error()}
		}
		r.Took += time.Since(began)
		n := c.Size()
		for i := range x {
			if x[i] != int32(n*i+n*(n-1)/2) {
				r.Wrong++
			}
		}
	}
	return r
}

// resources are the memory that this process uses and how many descriptors it has open,
// where the system tells.
func resources() (memory int64, open int) {
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range strings.Lines(string(status)) {
			if kib, ok := strings.CutPrefix(line, "VmRSS:"); ok {
				n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kib), "kB")), 10, 64)
				memory = n << 10
			}
		}
	}
	if dir, err := os.ReadDir("/proc/self/fd"); err == nil {
		open = len(dir) - 1 // the one to read them
	}
	return memory, open
}

func (r report) check(rank int) error {
	switch {
	case r.Error != "":
		return fmt.Errorf("rank %d: %s", rank, r.Error)
	case r.Wrong > 0:
		return fmt.Errorf("rank %d: %d wrong values", rank, r.Wrong)
	}
	return nil
}
