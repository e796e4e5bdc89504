package engine

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/monel-dev/monel/engine/internal/agree"
)

// Operation is one entry of the flight recorder: an operation of a communicator as
// this rank saw it. Messages of a group are one entry, "messages", with the bytes of all
// that it sends and receives. All_reduces of a group that are fused have an entry each,
// which lasts as long as all of them.
type Operation struct {
	Seq        uint64 `json:"seq"`        // its number on the communicator, from 0, the same on all ranks; for messages, the next collective's when they began
	Collective string `json:"collective"` // "all_reduce"
	Call       string `json:"call"`       // spelled out, as a MismatchError has it
	Signature  string `json:"signature"`  // hash of the call, the same where the ranks agree
	// Bytes is the size of the tensor, or of one block if every rank has one; of all
	// blocks in all_gather_v; 0 in alltoall_v and barrier, which do not agree on one.
	Bytes    int64          `json:"bytes"`
	State    OperationState `json:"state"`
	Attempts int            `json:"attempts"` // 2 if it was restarted

	Began  time.Time     `json:"began"`
	Lasted time.Duration `json:"lasted_ns,omitempty"` // so far, if it runs; 0 if it was not timed: see CollectiveStats
	Error  string        `json:"error,omitempty"`
}

// OperationState says how far an operation has come.
type OperationState string

// The states.
const (
	OperationRunning OperationState = "running"
	OperationDone    OperationState = "done"
	OperationFailed  OperationState = "failed"
)

// Flight is the content of a rank's flight recorder.
type Flight struct {
	Stats
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
	Time  time.Time `json:"time"`            // when it was read
	Error string    `json:"error,omitempty"` // Comm.Err

	Operations []Operation `json:"operations"` // oldest first; those at the end may be running: messages, and a collective or those fused with it
}

// Flight returns the latest operations, at most Config.History and the one that is
// running, with the rank's Stats. It may be called from any goroutine at any time,
// also when the communicator hangs or has failed.
func (c *Comm) Flight() Flight {
	f := Flight{Stats: c.Stats(), PID: os.Getpid(), Time: time.Now()}
	f.Host, _ = os.Hostname()
	if err := c.Err(); err != nil {
		f.Error = err.Error()
	}
	born := c.recorder.Born()
	c.member.Inspect(func(now []agree.InProgress) {
		for _, op := range c.recorder.Operations() {
			f.Operations = append(f.Operations, operationOf(op.Call, &op.Ended, born, op.Lasted))
		}
		for i := range now {
			op := operationOf(&now[i].Call, &now[i].Ended, born, time.Since(born)-now[i].Began)
			op.State = OperationRunning
			f.Operations = append(f.Operations, op)
		}
	})
	return f
}

func operationOf(call *agree.Call, e *agree.Ended, born time.Time, lasted time.Duration) Operation {
	op := Operation{
		Seq: e.Seq, Collective: call.Kind.String(), Call: call.String(), Signature: fmt.Sprintf("%016x", call.Sig),
		Bytes: call.Bytes(), State: OperationDone, Attempts: int(e.Attempt) + 1,
		Began: born.Add(e.Began).Round(0), Lasted: lasted,
	}
	if e.Err != nil {
		op.State, op.Error = OperationFailed, e.Err.Error()
	}
	return op
}

// Dump writes the Flight as indented JSON.
func (c *Comm) Dump(w io.Writer) error {
	text, err := json.MarshalIndent(c.Flight(), "", "\t")
	if err == nil {
		_, err = w.Write(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("rank %d: dump of communicator %q: %w", c.rank, c.cfg.Name, err)
	}
	return nil
}
