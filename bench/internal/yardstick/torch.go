package yardstick

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/monel-dev/monel/bench/internal/tail"
	"github.com/monel-dev/monel/bench/peers/kernels"
	"github.com/monel-dev/monel/strided/dtype"
)

// Torch is a process in which PyTorch times itself on one core. It burns no CPU
// while it is not asked. It is for one goroutine at a time.
type Torch struct {
	// Version is PyTorch's.
	Version string

	cmd    *exec.Cmd
	cancel context.CancelFunc
	ask    io.WriteCloser
	answer *bufio.Reader
	said   *tail.Writer
	end    func() error // waits for the process, once
}

// pythons are the interpreters to try: Debian's, for which Debian's PyTorch is,
// before one that the user has put ahead of it.
var pythons = []string{"/usr/bin/python3", "python3"}

// patience is how long the process may take to end once its input has.
const patience = 2 * time.Second

// StartTorch starts a Python that can import PyTorch, or says which package is
// missing. The caller must Close what it returns; the end of ctx kills it.
func StartTorch(ctx context.Context) (*Torch, error) {
	var failures []error
	for _, python := range pythons {
		t, err := start(ctx, python)
		if err == nil {
			return t, nil
		}
		failures = append(failures, fmt.Errorf("%s: %w", python, err))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("PyTorch is needed, Debian's python3-torch: %w", errors.Join(failures...))
}

func start(ctx context.Context, python string) (*Torch, error) {
	ctx, cancel := context.WithCancel(ctx)
	t := &Torch{cmd: exec.CommandContext(ctx, python, "-c", kernels.Contiguous), cancel: cancel, said: new(tail.Writer)}
	t.cmd.Stderr = t.said
	t.cmd.WaitDelay = patience
	ask, err := t.cmd.StdinPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	answer, err := t.cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	t.ask, t.answer = ask, bufio.NewReader(answer)
	if err := t.cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	t.end = sync.OnceValue(t.cmd.Wait)
	// What is imported may print, before the greeting.
	for {
		line, err := t.read()
		if err != nil {
			return nil, err
		}
		if version, ok := strings.CutPrefix(line, "hello "); ok {
			t.Version = version
			return t, nil
		}
	}
}

// Time makes the view called name of type dt contiguous calls times, both ways,
// and returns the seconds per call of each: of x.contiguous(), which allocates
// its result every time, and of out.copy_(x) into memory that is there already.
// The views are
//
//	transpose     the transpose of a 4096×4096 matrix
//	nhwc_to_nchw  (4, 64, 128, 128) in channels-last order, to the usual one
//	nchw_to_nhwc  the same, the other way round
//	OnGPU(…)      one on the GPU
//
// of Float32 or Float16; on GPUs also of Float64 or Int8. The first call for another view than before takes
// longer than what it returns: the view is made and its packing checked. After
// an error of a process that has ended, every other call fails too.
func (t *Torch) Time(name string, dt dtype.DType, calls int) (contiguous, copyInto float64, err error) {
	if strings.ContainsAny(name, " \t\r\n") || name == "" {
		return 0, 0, fmt.Errorf("PyTorch: %q is no case", name)
	}
	// A process that has ended shows in the answer, with the reason.
	_, _ = fmt.Fprintf(t.ask, "pack %s %s %d\n", name, dt, calls)
	line, err := t.read()
	if err != nil {
		return 0, 0, fmt.Errorf("PyTorch: %w", err)
	}
	if why, ok := strings.CutPrefix(line, "error "); ok {
		return 0, 0, fmt.Errorf("PyTorch, packing %s of %v: %s", name, dt, why)
	}
	words := strings.Fields(line)
	if len(words) != 3 || words[0] != "ok" {
		return 0, 0, fmt.Errorf("PyTorch: %q is no answer", line)
	}
	if contiguous, err = seconds(words[1]); err != nil {
		return 0, 0, err
	}
	copyInto, err = seconds(words[2])
	return contiguous, copyInto, err
}

// OnGPU is the name for Time of a view on the first GPU with that shape and these
// strides, in elements, none of them negative.
func OnGPU(shape, strides []int64) string {
	words := func(n []int64) string { return strings.Trim(strings.ReplaceAll(fmt.Sprint(n), " ", ","), "[]") }
	return "cuda:" + words(shape) + ":" + words(strides)
}

func seconds(word string) (float64, error) {
	s, err := strconv.ParseFloat(word, 64)
	if err != nil || !(s > 0) || s > 1e9 {
		return 0, fmt.Errorf("PyTorch: %q is no time", word)
	}
	return s, nil
}

// read returns the next line of the process, or why it has ended.
func (t *Torch) read() (string, error) {
	line, err := t.answer.ReadString('\n')
	if err == nil {
		return strings.TrimSpace(line), nil
	}
	err = t.Close()
	if err == nil {
		err = errors.New("it ended")
	}
	return "", fmt.Errorf("%w\n%s", err, t.said.Text())
}

// Close ends the process and waits for it. It returns how the process failed, if
// it did; it may be called again.
func (t *Torch) Close() error {
	defer t.cancel()
	_ = t.ask.Close()
	defer time.AfterFunc(patience, t.cancel).Stop()
	return t.end()
}
