package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// The reasons why a call fails, for errors.Is. Errors about tensors (ErrShape,
// ErrBounds and others) are those of package strided.
var (
	ErrPeerLost        = transport.ErrPeerLost        // a rank's process or host is gone
	ErrTimeout         = transport.ErrTimeout         // the configured time has passed
	ErrAborted         = transport.ErrAborted         // a rank gave up
	ErrClosed          = transport.ErrClosed          // the communicator was closed here
	ErrUnauthenticated = transport.ErrUnauthenticated // a wrong secret
	ErrVersion         = transport.ErrVersion         // another wire protocol version
	ErrProtocol        = transport.ErrProtocol        // bytes no correct rank sends
	ErrCorrupt         = transport.ErrCorrupt         // bytes altered on their way (Config.Checksums, Encrypt)
	ErrUnavailable     = transport.ErrUnavailable     // a transport this machine lacks
	ErrMismatch        = agree.ErrMismatch            // the ranks made different calls
	ErrOverlap         = strided.ErrOverlap           // output elements share memory
	ErrInvalidArgument = transport.ErrInvalid         // an argument that cannot be right
	ErrCUDA            = errors.New("CUDA failure")   // a rank's GPU or its driver failed
	ErrCapture         = cudaffi.ErrCapture           // a CUDA graph is being captured
)

// RankError names the rank that an error is about and wraps the reason; find it
// with errors.As. Its fields are Rank, the rank that was lost, gave up or
// disagrees; Doing, what the reporting rank was doing; and Err. Every rank of a
// communicator returns the same Rank and Err for the same failure.
type RankError = transport.RankError

// MismatchError says which ranks called what; find it with errors.As. Its
// fields are Seq, the operation's number; Groups, ranks that made the same call,
// the smallest group first, each with Ranks, Call and Invalid; Broken, whether
// the communicator is unusable now; and Err, which is ErrMismatch, or ErrTimeout
// where ranks have not called at all.
//
// After a mismatch in a collective that reduces, the communicator stays usable
// and all ranks go on with their next call. After one in a broadcast that some
// rank had already finished, it is broken.
type MismatchError = agree.MismatchError

// ArgumentError reports an argument that this rank cannot accept. Nothing was
// sent and no memory was touched; the other ranks are told, and their calls
// fail with ErrMismatch. It wraps ErrInvalidArgument and the reason.
type ArgumentError struct {
	Rank     int    // this rank
	Call     string // "all_reduce", "broadcast", "init"
	Argument string // "dst", "src", "op", "root", ...
	Err      error  // what is wrong with it and what to do
}

func (e *ArgumentError) Error() string {
	return fmt.Sprintf("rank %d: %s: %s: %v", e.Rank, e.Call, e.Argument, e.Err)
}

// Unwrap returns ErrInvalidArgument and the reason.
func (e *ArgumentError) Unwrap() []error { return []error{ErrInvalidArgument, e.Err} }

// DeviceError says what went wrong on a rank's GPU; find it with errors.As on that
// rank, whose error is a RankError around it. The other ranks' RankErrors have its
// text. It wraps ErrCUDA and the reason, mostly a *cudaffi.Error.
type DeviceError struct {
	Device int // its ordinal
	Err    error
}

func (e *DeviceError) Error() string {
	return fmt.Sprintf("%v on device %d: %v", ErrCUDA, e.Device, e.Err)
}

// Unwrap returns ErrCUDA and the reason.
func (e *DeviceError) Unwrap() []error { return []error{ErrCUDA, e.Err} }

// Result is a status code with the values of ncclResult_t.
type Result int

// The results.
const (
	Success Result = iota
	UnhandledCudaError
	SystemError
	InternalError
	InvalidArgument
	InvalidUsage
	RemoteError
	InProgress
	Timeout
)

// ResultOf maps an error of this package to NCCL's result code.
func ResultOf(err error) Result {
	switch {
	case err == nil:
		return Success
	case errors.Is(err, ErrInvalidArgument), errors.Is(err, ErrOverlap):
		return InvalidArgument
	case errors.Is(err, ErrMismatch), errors.Is(err, ErrClosed), errors.Is(err, ErrRevoked), errors.Is(err, ErrUnsupported):
		return InvalidUsage
	case errors.Is(err, ErrInProgress):
		return InProgress
	case errors.Is(err, ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, ErrCUDA):
		return UnhandledCudaError
	case errors.Is(err, ErrPeerLost), errors.Is(err, ErrAborted):
		return RemoteError
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrUnauthenticated), errors.Is(err, ErrVersion), errors.Is(err, ErrProtocol), errors.Is(err, ErrCorrupt):
		return SystemError
	}
	return InternalError
}
