package bootstrap

import (
	"errors"
	"fmt"

	"github.com/monel-dev/monel/transport"
)

// ErrLaunch: the ranks were not started in a way that fits together, or not with
// what they need.
var ErrLaunch = errors.New("inconsistent launch")

// ErrAddress: the root's address cannot be used.
var ErrAddress = errors.New("unusable address")

// Reason says why ranks could not form a world.
type Reason uint8

// The reasons why ranks cannot form a world. Their numbers are on the wire.
const (
	MissingRanks    Reason = 1 // some did not come in time
	DuplicateRank   Reason = 2 // two processes claim the same rank
	SizeMismatch    Reason = 3 // ranks disagree on the world size
	ConfigMismatch  Reason = 4 // ranks disagree on the configuration
	VersionMismatch Reason = 5 // ranks speak different protocol versions
	RootClosed      Reason = 6 // the process that hosts the root gave up
	RankRange       Reason = 7 // a rank is not below the world size
	LostRank        Reason = 8 // one that had come is gone
	numReasons      Reason = 9
)

func (r Reason) sentinel() error {
	switch r {
	case MissingRanks:
		return transport.ErrTimeout
	case VersionMismatch:
		return transport.ErrVersion
	case RootClosed:
		return transport.ErrClosed
	case LostRank:
		return transport.ErrPeerLost
	}
	return ErrLaunch
}

// WorldError says why the ranks could not form a world. Every rank that was
// waiting gets the same one. It wraps transport.ErrTimeout, ErrVersion, ErrClosed
// or ErrPeerLost, or ErrLaunch.
type WorldError struct {
	Reason Reason
	Ranks  []int  // whom it is about, ascending; at most MaxNamedRanks of them
	Text   string // what is wrong, on which hosts, and what to do
}

// MaxNamedRanks is the largest number of ranks that a WorldError lists.
const MaxNamedRanks = 64

func (e *WorldError) Error() string { return fmt.Sprintf("%v: %s", e.Reason.sentinel(), e.Text) }
func (e *WorldError) Unwrap() error { return e.Reason.sentinel() }

const maxText = 4096

func (e *WorldError) encode() []byte {
	var enc encoder
	enc.u8(uint8(e.Reason))
	ranks := e.Ranks[:min(len(e.Ranks), MaxNamedRanks)]
	enc.u16(uint16(len(ranks)))
	for _, r := range ranks {
		enc.u32(uint32(r))
	}
	enc.text(e.Text, maxText)
	return enc.b
}

func decodeWorldError(b []byte) (*WorldError, error) {
	d := decoder{b: b}
	e := &WorldError{Reason: Reason(d.u8())}
	if e.Reason == 0 || e.Reason >= numReasons {
		d.fail("unknown reason")
	}
	n := int(d.u16())
	if n > MaxNamedRanks {
		d.fail("too many ranks")
		n = 0
	}
	for range n {
		e.Ranks = append(e.Ranks, d.number("rank", 0, MaxSize))
	}
	e.Text = d.text(maxText)
	if err := d.end(); err != nil {
		return nil, err
	}
	return e, nil
}
