package bootstrap

import (
	"errors"
	"fmt"

	"github.com/monel-dev/monel/transport"
)

// A cause travels as a code for the sentinel that it wraps, and texts, so that
// every rank ends up with the same error.

// causes are the sentinels that every build knows. Their codes, 1 and up in this
// order, are on the wire; those of ControlConfig.Causes follow from 128.
var causes = []error{
	transport.ErrPeerLost,
	transport.ErrClosed,
	transport.ErrTimeout,
	transport.ErrAborted,
	transport.ErrUnauthenticated,
	transport.ErrVersion,
	transport.ErrProtocol,
	transport.ErrUnavailable,
}

const (
	firstCause = 1
	extraCause = 128
	maxExtra   = 64
)

// remoteCause is a cause as it came over the wire, or as it would have.
type remoteCause struct {
	code     uint8
	sentinel error
	text     string
}

func (c *remoteCause) Error() string { return c.text }
func (c *remoteCause) Unwrap() error { return c.sentinel }

// codec turns causes into bytes and back.
type codec struct {
	size  int
	extra []error
}

func (c *codec) code(err error) uint8 {
	for i, s := range c.extra {
		if errors.Is(err, s) {
			return uint8(extraCause + i)
		}
	}
	for i, s := range causes {
		if errors.Is(err, s) {
			return uint8(firstCause + i)
		}
	}
	return firstCause + 3 // a rank that fails for a reason of its own gives up
}

func (c *codec) sentinel(code uint8) error {
	switch {
	case code >= firstCause && int(code) < firstCause+len(causes):
		return causes[code-firstCause]
	case code >= extraCause && int(code) < extraCause+len(c.extra):
		return c.extra[code-extraCause]
	}
	return nil
}

// normal returns e as every rank will see it.
func (c *codec) normal(e *transport.RankError) *transport.RankError {
	var rc *remoteCause
	if errors.As(e.Err, &rc) && e.Err == error(rc) {
		return e
	}
	code := c.code(e.Err)
	s := c.sentinel(code)
	text := s.Error()
	if e.Err != nil {
		text = e.Err.Error()
	}
	if !errors.Is(e.Err, s) {
		text = fmt.Sprintf("%v: %s", s, text)
	}
	return &transport.RankError{Rank: e.Rank, Doing: clip(e.Doing, maxDoing), Err: &remoteCause{code, s, clip(text, maxText)}}
}

const maxDoing = 512

func clip(s string, n int) string { return s[:min(len(s), n)] }

func (c *codec) encode(e *transport.RankError) []byte {
	e = c.normal(e)
	rc := e.Err.(*remoteCause)
	var enc encoder
	enc.u32(uint32(e.Rank))
	enc.u8(rc.code)
	enc.text(e.Doing, maxDoing)
	enc.text(rc.text, maxText)
	return enc.b
}

func (c *codec) decode(b []byte) (*transport.RankError, error) {
	d := decoder{b: b}
	rank := d.number("rank", 0, c.size-1)
	rc := &remoteCause{code: d.u8()}
	if rc.sentinel = c.sentinel(rc.code); rc.sentinel == nil {
		d.fail(fmt.Sprintf("unknown cause %d", rc.code))
	}
	doing := d.text(maxDoing)
	rc.text = d.text(maxText)
	if err := d.end(); err != nil {
		return nil, err
	}
	return &transport.RankError{Rank: rank, Doing: doing, Err: rc}, nil
}
