package transport

import (
	"errors"
	"fmt"
)

// The reasons a link or a communicator fails. Errors returned by transports
// wrap one of them and are tested with errors.Is.
var (
	// ErrPeerLost: the peer's process ended, or its host became unreachable.
	ErrPeerLost = errors.New("peer lost")
	// ErrClosed: this side has closed the link or the communicator.
	ErrClosed = errors.New("closed")
	// ErrTimeout: something did not happen within its configured time.
	ErrTimeout = errors.New("timed out")
	// ErrAborted: a rank gave the operation up, by cancellation or on request.
	ErrAborted = errors.New("aborted")
	// ErrUnauthenticated: the other side did not prove knowledge of the secret.
	ErrUnauthenticated = errors.New("unauthenticated peer")
	// ErrVersion: the other side speaks another version of the wire protocol.
	ErrVersion = errors.New("wire protocol version differs")
	// ErrProtocol: bytes that no correct peer sends.
	ErrProtocol = errors.New("wire protocol violated")
	// ErrCorrupt: bytes that are not those which the peer sent.
	ErrCorrupt = errors.New("data corrupted on its way")
	// ErrInvalid: an argument that cannot be right, such as a rank outside the
	// world.
	ErrInvalid = errors.New("invalid argument")
	// ErrUnavailable: what was asked for does not exist on this machine.
	ErrUnavailable = errors.New("not available")
)

// RankError is an error about a rank: the one that was lost, that disagrees,
// or that sent nonsense. It unwraps to its cause.
type RankError struct {
	Rank  int    // the rank that the error is about
	Doing string // what the reporting rank was doing, or ""
	Err   error  // why; wraps one of the sentinels of this package
}

func (e *RankError) Error() string {
	if e.Doing == "" {
		return fmt.Sprintf("rank %d: %v", e.Rank, e.Err)
	}
	return fmt.Sprintf("rank %d: %v (while in %s)", e.Rank, e.Err, e.Doing)
}

func (e *RankError) Unwrap() error { return e.Err }
