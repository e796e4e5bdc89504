package strangers

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"time"
)

// agentProcess is an agent as the campaign sees it.
type agentProcess struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	orders  *json.Encoder
	answers *json.Decoder
}

func startAgent(cmd *exec.Cmd) (*agentProcess, error) {
	p := &agentProcess{cmd: cmd}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.in, p.orders, p.answers = in, json.NewEncoder(in), json.NewDecoder(bufio.NewReader(out))
	return p, nil
}

// end tells the agent that there are no more orders, and waits until it has ended.
func (p *agentProcess) end() {
	p.in.Close()
	timer := time.AfterFunc(20*time.Second, func() { p.cmd.Process.Kill() })
	p.cmd.Wait()
	timer.Stop()
}
