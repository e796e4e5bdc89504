package engine

import (
	"errors"
	"fmt"
)

// ErrUnsupported: NCCL has this, and it has no meaning here.
var ErrUnsupported = errors.New("not supported")

// UnsupportedError says what has no meaning here, and why. It wraps ErrUnsupported.
type UnsupportedError struct {
	Rank int
	Call string
	Why  string
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("rank %d: %s: %v: %s", e.Rank, e.Call, ErrUnsupported, e.Why)
}

// Unwrap returns ErrUnsupported.
func (e *UnsupportedError) Unwrap() error { return ErrUnsupported }

// Suspend stands for ncclCommSuspend, which gives up the memory that a communicator has
// allocated on a GPU for as long as it is not used. A communicator here holds little there
// (DeviceBytes), whatever the tensors, and needs it to begin a call without asking the
// driver. So Suspend changes nothing and returns an *UnsupportedError, or the
// communicator's error if it cannot be used any more.
func (c *Comm) Suspend() error { return c.unsupported("suspend") }

// Resume stands for ncclCommResume, and does as Suspend.
func (c *Comm) Resume() error { return c.unsupported("resume") }

func (c *Comm) unsupported(call string) error {
	if err := c.Err(); err != nil {
		return err
	}
	return &UnsupportedError{Rank: c.rank, Call: call, Why: "a communicator holds little memory of devices, which it needs to begin calls; it goes on as it is"}
}
