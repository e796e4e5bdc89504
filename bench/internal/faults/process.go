package faults

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"
)

// Spawn starts an agent's process: the program, its arguments and its environment.
type Spawn struct {
	Path string
	Args []string
	Env  []string
	Via  []string // a command that starts it, such as ip netns exec
}

// process is an agent as its campaign sees it.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	events chan told // closed when the process has ended
	stderr tailWriter
}

// told is an event and when it came.
type told struct {
	Event
	when time.Time
}

func (s *Spawn) start() (*process, error) {
	words := slices.Concat(s.Via, []string{s.Path}, s.Args)
	p := &process{cmd: exec.Command(words[0], words[1:]...), events: make(chan told, 64)}
	p.cmd.Env = slices.Concat(os.Environ(), s.Env)
	p.cmd.Stderr = &p.stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting an agent: %w", err)
	}
	go func() {
		defer close(p.events)
		lines := json.NewDecoder(bufio.NewReader(out))
		for {
			var e Event
			if lines.Decode(&e) != nil {
				break
			}
			p.events <- told{e, time.Now()}
		}
		_, _ = io.Copy(io.Discard, out)
		_ = p.cmd.Wait()
	}()
	return p, nil
}

func (p *process) order(o Order) error { return json.NewEncoder(p.in).Encode(o) }

// kill ends the process at once, and returns when it was about to.
func (p *process) kill() time.Time {
	at := time.Now()
	_ = p.cmd.Process.Kill()
	return at
}

// end ends the process and returns when nothing of it is left.
func (p *process) end() {
	p.kill()
	_ = p.in.Close()
	for range p.events { // until the reader is through
	}
}

// tailWriter keeps the last of what is written to it.
type tailWriter struct {
	mu   sync.Mutex
	text []byte
}

// tailBytes is how much of an agent's standard error is kept.
const tailBytes = 8 << 10

func (w *tailWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, p...)
	if extra := len(w.text) - tailBytes; extra > 0 {
		w.text = w.text[extra:]
	}
	return len(p), nil
}

func (w *tailWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.text)
}
