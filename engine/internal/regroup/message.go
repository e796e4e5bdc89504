package regroup

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/transport"
)

// MaxMessage is the largest encoded message in bytes: enough to list all ranks of the
// largest world.
const MaxMessage = 1 << 20

// maxTopic bounds the names of meetings.
const maxTopic = 64

// Proposal is what a rank says when it comes to a meeting.
type Proposal struct {
	Topic  string // which meeting it is about
	Notice bool   `json:",omitempty"` // it does not take part where it says this; see the package
	Call   string `json:",omitempty"` // what all must have in common, spelled out
	// Members are whom the rank waits for, itself included.
	Members []int  `json:",omitempty"`
	Own     []byte `json:",omitempty"` // what need not be the same
	// Round is how many meetings of this rank under this topic have failed. They fail
	// for all ranks, so it tells those who are late from those who try again.
	Round int `json:",omitempty"`
	// GaveUp says that the rank has given up what the ranks do after a meeting, which has
	// the name Topic; see Hall.Watch. Own says why, as an encoded Answer.
	GaveUp bool `json:",omitempty"`
}

// Answer is what a rank hears from the leader.
type Answer struct {
	Err  error
	Body []byte
	// Value is a result within one process, which does not travel.
	Value any
}

// wireAnswer is an Answer as it travels.
type wireAnswer struct {
	Body     []byte        `json:",omitempty"`
	Mismatch *wireMismatch `json:",omitempty"`
	Failure  *wireFailure  `json:",omitempty"`
}

type wireMismatch struct {
	Seq    uint64
	Broken bool
	Groups []wireGroup
}

type wireGroup struct {
	Ranks []int
	Call  string
}

type wireFailure struct {
	Rank  int
	Cause int // index of causes
	Text  string
}

// causes are the sentinels that keep their identity; the order is on the wire.
var causes = []error{
	transport.ErrAborted, // whatever is not in the list
	transport.ErrPeerLost,
	transport.ErrTimeout,
	transport.ErrClosed,
	transport.ErrUnavailable,
	transport.ErrProtocol,
	transport.ErrInvalid,
	agree.ErrRevoked,
}

// told is an error that another rank has found.
type told struct {
	cause error
	text  string
}

func (t *told) Error() string { return t.text }
func (t *told) Unwrap() error { return t.cause }

// EncodeProposal and EncodeAnswer write messages for the wire.
func EncodeProposal(p *Proposal) ([]byte, error) { return json.Marshal(p) }

// EncodeAnswer drops the Value.
func EncodeAnswer(a *Answer) ([]byte, error) {
	w := wireAnswer{Body: a.Body}
	var mismatch *agree.MismatchError
	var rank *transport.RankError
	switch {
	case a.Err == nil:
	case errors.As(a.Err, &mismatch):
		m := &wireMismatch{Seq: mismatch.Seq, Broken: mismatch.Broken}
		for _, g := range mismatch.Groups {
			m.Groups = append(m.Groups, wireGroup{g.Ranks, g.Call})
		}
		w.Mismatch = m
	default:
		f := &wireFailure{Rank: -1, Text: a.Err.Error()}
		if errors.As(a.Err, &rank) {
			f.Rank, f.Text = rank.Rank, rank.Err.Error()
		}
		for i, cause := range causes {
			if errors.Is(a.Err, cause) {
				f.Cause = i
				break
			}
		}
		w.Failure = f
	}
	return json.Marshal(&w)
}

// DecodeProposal reads what another rank has sent. Its errors wrap
// transport.ErrProtocol.
func DecodeProposal(b []byte) (Proposal, error) {
	var p Proposal
	if err := json.Unmarshal(b, &p); err != nil {
		return p, fmt.Errorf("%w: %w", transport.ErrProtocol, err)
	}
	if len(p.Topic) > maxTopic {
		return p, fmt.Errorf("%w: name of a meeting of %d bytes", transport.ErrProtocol, len(p.Topic))
	}
	return p, nil
}

// DecodeAnswer reads the answer of leader, in a world of the given size. Its errors
// wrap transport.ErrProtocol.
func DecodeAnswer(b []byte, leader, size int) (Answer, error) {
	var w wireAnswer
	if err := json.Unmarshal(b, &w); err != nil {
		return Answer{}, fmt.Errorf("%w: %w", transport.ErrProtocol, err)
	}
	a := Answer{Body: w.Body}
	switch {
	case w.Mismatch != nil:
		var groups []agree.Group
		for _, g := range w.Mismatch.Groups {
			for _, rank := range g.Ranks {
				if rank < 0 || rank >= size {
					return Answer{}, fmt.Errorf("%w: rank %d in a world of %d", transport.ErrProtocol, rank, size)
				}
			}
			groups = append(groups, agree.Group{Ranks: g.Ranks, Call: g.Call})
		}
		a.Err = agree.NewMismatch(w.Mismatch.Seq, w.Mismatch.Broken, groups)
	case w.Failure != nil:
		f := w.Failure
		if f.Rank < 0 || f.Rank >= size {
			f.Rank = leader
		}
		if f.Cause < 0 || f.Cause >= len(causes) {
			f.Cause = 0
		}
		a.Err = &transport.RankError{Rank: f.Rank, Err: &told{causes[f.Cause], f.Text}}
	}
	return a, nil
}
