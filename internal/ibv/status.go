package ibv

import "fmt"

// Status says how a work request ended.
type Status uint32

// The statuses, with the values of verbs.h.
const (
	Success Status = iota
	LocalLengthError
	LocalQPOperationError
	LocalEECOperationError
	LocalProtectionError
	FlushError
	MWBindError
	BadResponseError
	LocalAccessError
	RemoteInvalidRequestError
	RemoteAccessError
	RemoteOperationError
	RetryExceededError
	RNRRetryExceededError
	LocalRDDViolationError
	RemoteInvalidRDRequestError
	RemoteAbortedError
	InvalidEECNError
	InvalidEECStateError
	FatalError
	ResponseTimeoutError
	GeneralError
	TagMatchingError
	TagMatchingIncomplete
)

var statusTexts = [...]string{
	"success", "local length error", "local QP operation error", "local EE context operation error",
	"local protection error", "work request flushed", "memory window bind error", "bad response",
	"local access error", "remote invalid request", "remote access error", "remote operation error",
	"transport retry counter exceeded", "receiver-not-ready retry counter exceeded", "local RDD violation",
	"remote invalid RD request", "remote aborted", "invalid EE context number", "invalid EE context state",
	"fatal error", "response timeout", "general error", "tag matching error", "tag matching incomplete",
}

func (s Status) String() string {
	if int(s) < len(statusTexts) {
		return statusTexts[s]
	}
	return fmt.Sprintf("status %d", uint32(s))
}

// EventType is the kind of an asynchronous event.
type EventType uint32

// The events, with the values of verbs.h.
const (
	EventCQError EventType = iota
	EventQPFatal
	EventQPRequestError
	EventQPAccessError
	EventCommEstablished
	EventSQDrained
	EventPathMigrated
	EventPathMigrationError
	EventDeviceFatal
	EventPortActive
	EventPortError
	EventLIDChange
	EventPKeyChange
	EventSMChange
	EventSRQError
	EventSRQLimitReached
	EventQPLastWQEReached
	EventClientReregister
	EventGIDChange
	EventWQFatal
)

var eventTexts = [...]string{
	"completion queue error", "fatal queue pair error", "queue pair request error", "queue pair access error",
	"communication established", "send queue drained", "path migrated", "path migration error",
	"device failed or was removed", "port active", "port down", "LID changed", "pkey table changed", "subnet manager changed",
	"shared receive queue error", "shared receive queue limit reached", "last work request reached",
	"client reregistration", "GID table changed", "work queue failed",
}

func (e EventType) String() string {
	if int(e) < len(eventTexts) {
		return eventTexts[e]
	}
	return fmt.Sprintf("event %d", uint32(e))
}
