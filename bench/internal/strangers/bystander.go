package strangers

import (
	"encoding/json"
	"net"
	"os/exec"
)

// bystand is an agent that is no rank: it accepts connections and closes them at once,
// which is the least that somebody can do at whose port strangers call. What a job beside
// it loses to that is the strangers' own work and the system's, on the same cores.
func bystand(orders *json.Decoder, answers *json.Encoder) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return answers.Encode(report{Error: err.Error()})
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	if err := answers.Encode(report{Addr: ln.Addr().String()}); err != nil {
		return err
	}
	var none order
	_ = orders.Decode(&none) // that is all
	return nil
}

// bystander starts one, and returns its address.
func (cfg *Config) bystander() (*agentProcess, string, error) {
	p, err := startAgent(exec.Command(cfg.Program, Word))
	if err != nil {
		return nil, "", err
	}
	var r report
	if err = p.orders.Encode(order{Bystander: true}); err == nil {
		err = p.answers.Decode(&r)
	}
	if err == nil {
		err = r.check(-1)
	}
	if err != nil {
		p.end()
		return nil, "", err
	}
	return p, r.Addr, nil
}
