package rdma

import (
	"fmt"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
)

// CompletionError: an adapter could not carry out a request. It wraps
// transport.ErrPeerLost, transport.ErrProtocol or transport.ErrUnavailable,
// whichever it amounts to.
type CompletionError struct {
	Port      string
	Status    ibv.Status
	VendorErr uint32
}

func (e *CompletionError) Error() string {
	text := fmt.Sprintf("rdma: %s: %v (status %d, vendor error %#x)", e.Port, e.Status, uint32(e.Status), e.VendorErr)
	switch e.Status {
	case ibv.RetryExceededError:
		text += ": the peer's adapter does not answer: see that both ports are up and reach each other (NCCL_IB_HCA, NCCL_IB_GID_INDEX choose others)"
	case ibv.LocalQPOperationError:
		text += ": this rank's adapter cannot send: see that its port is up and has a way to the peer's"
	case ibv.RemoteAccessError, ibv.RemoteInvalidRequestError:
		text += ": the peer's adapter refuses an access to its memory"
	case ibv.LocalProtectionError:
		text += ": memory that was sent is not registered any more"
	}
	return text
}

// Unwrap returns the sentinel.
func (e *CompletionError) Unwrap() error {
	switch e.Status {
	case ibv.RemoteAccessError, ibv.RemoteInvalidRequestError, ibv.BadResponseError:
		return transport.ErrProtocol
	case ibv.LocalLengthError, ibv.LocalProtectionError, ibv.LocalAccessError:
		return transport.ErrUnavailable
	}
	return transport.ErrPeerLost
}

// PortError: a port of this rank, or its device, failed while it was used. It
// wraps transport.ErrPeerLost, because nobody is reached over it any more.
type PortError struct {
	Port string
	What string // what happened to it
}

func (e *PortError) Error() string {
	return fmt.Sprintf("rdma: %s of this rank: %s: see the adapter and its cable (ibstat, dmesg)", e.Port, e.What)
}

// Unwrap returns ErrPeerLost.
func (e *PortError) Unwrap() error { return transport.ErrPeerLost }

// IndirectError: adapters do not read a GPU's memory, whose elements go through the
// host's instead. It wraps transport.ErrUnavailable.
type IndirectError struct {
	Why string // for each adapter
}

func (e *IndirectError) Error() string { return e.Why }

// Unwrap returns ErrUnavailable.
func (e *IndirectError) Unwrap() error { return transport.ErrUnavailable }
