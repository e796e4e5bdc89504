package engine

import (
	"errors"
	"fmt"
)

// State is where a communicator stands.
type State int

// The states of a communicator.
const (
	Ready   State = iota // it can be used
	Failed               // something went wrong, and Comm.Err says what
	Revoked              // a rank has called Revoke
	Closed               // this rank has called Close, Finalize or Abort
)

// String is the state in lower case.
func (s State) String() string {
	switch s {
	case Ready:
		return "ready"
	case Failed:
		return "failed"
	case Revoked:
		return "revoked"
	case Closed:
		return "closed"
	}
	return fmt.Sprintf("state(%d)", int(s))
}

// Info is what a communicator can tell about itself at once.
type Info struct {
	Rank, Size int
	Device     int // the CUDA device it works with, the lowest of several; -1 without
	State      State
	Transport  string // as Comm.Transport
	Err        error  // why it cannot be used any more, or nil
}

// Query says which rank of which communicator this is and where it stands. It does not
// communicate and never waits for other ranks.
func (c *Comm) Query() Info {
	return Info{Rank: c.rank, Size: c.size, Device: c.device(), State: c.State(), Transport: c.Transport(), Err: c.Err()}
}

// State tells where the communicator stands, as far as this rank has heard.
func (c *Comm) State() State {
	err := c.Err()
	switch {
	case c.family.ended():
		return Closed
	case err == nil:
		return Ready
	case errors.Is(err, ErrRevoked):
		return Revoked
	}
	return Failed
}

// AsyncError is what ncclCommGetAsyncError tells: the error that has made the
// communicator unusable, whether a call has met it or not, or nil. The loss of a rank
// shows here within about ten seconds even if nobody communicates, and at once if its
// process ended. It is the same as Err.
func (c *Comm) AsyncError() error { return c.Err() }
