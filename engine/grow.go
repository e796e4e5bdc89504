package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/engine/internal/regroup"
	"github.com/monel-dev/monel/transport/bootstrap"
)

// GrowID makes the id under which new ranks come to this communicator's in Grow, and
// listens for them in this process until then. It is called on one rank, which passes
// the id to its own Grow and hands it to the new ranks. Until it has been used, by a
// Grow that succeeds or fails, or by ranks that could not come together with it, further
// calls return the same one; Close gives it up.
func (c *Comm) GrowID() (UniqueID, error) {
	f := &c.family
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.ended():
		return UniqueID{}, &RankError{Rank: c.rank, Doing: "grow", Err: fmt.Errorf("communicator %w", ErrClosed)}
	case f.growth != nil && !f.growth.over():
		return f.growth.id, nil
	case f.growth != nil:
		f.growth.leave(context.Background(), nil)
		f.growth = nil
	}
	root, err := meetingPoint("", &c.cfg)
	if err != nil {
		return UniqueID{}, &RankError{Rank: c.rank, Doing: "grow", Err: err}
	}
	f.growth = root
	return root.id, nil
}

// takeGrowth gives up the id of GrowID, which this rank may not have passed, when it has
// been used. New ranks may come to hear of an error for a while, within ctx.
func (f *family) takeGrowth(ctx context.Context, id UniqueID, err error) {
	f.mu.Lock()
	root := f.growth
	if root == nil || id.IsZero() || root.id != id {
		f.mu.Unlock()
		return
	}
	f.growth = nil
	f.mu.Unlock()
	root.leave(ctx, err)
}

// pendingGrowth is the id of GrowID, zero if there is none that serves.
func (f *family) pendingGrowth() UniqueID {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.growth == nil || f.growth.over() {
		return UniqueID{}
	}
	return f.growth.id
}

// Grow makes a communicator of size ranks: this one's, with the numbers that they have,
// and new ones from Comm.Size up. All ranks of this communicator call it, in the same
// place of their sequence of calls. At least one of them passes the id that one of them
// has had from GrowID, the others that id or the zero UniqueID; if all pass the latter, the
// one that has called GrowID is asked. Meanwhile the new ranks call Init with
//
//	Config{ID: id, Rank: their number, Size: size}
//
// and otherwise this communicator's configuration; Config.Name is the default here unless
// the option Named gives another. This communicator goes on to work, and a rank that has the
// new one may end it, as after Split.
//
// Grow returns when all have joined, within Config.Timeout for this communicator's
// ranks and Config.InitTimeout for the new ones. Errors are those of collectives and
// of Init: a *bootstrap.WorldError lists new ranks that have not come.
func (c *Comm) Grow(ctx context.Context, size int, id UniqueID, options ...ChildOption) (next *Comm, err error) {
	call := agree.NewCall(agree.Grow, 0, 0, size, nil)
	m, offer, argument, err := c.growMeeting(size, id)
	if err != nil {
		return nil, c.refuse(&call, argument, err)
	}
	defer func() { c.family.takeGrowth(context.Background(), offer.id, err) }()
	a, err := c.inSequence(ctx, call, m)
	if err != nil {
		return nil, err
	}
	return c.growTo(ctx, size, m.Topic, a, offer, options)
}

// StartGrow is Grow without the wait, as StartSplit is Split. Calls that follow wait until
// this communicator's ranks have come to it, and not for the new ones. The id has been used
// when the new communicator has been made or cannot be.
func (c *Comm) StartGrow(ctx context.Context, size int, id UniqueID, options ...ChildOption) (*PendingComm, error) {
	call := agree.NewCall(agree.Grow, 0, 0, size, nil)
	m, offer, argument, err := c.growMeeting(size, id)
	if err != nil {
		return nil, c.refuseLater(call, argument, err)
	}
	p, err := c.startInSequence(ctx, call, m, func(within context.Context, met func() (regroup.Answer, error)) (next *Comm, err error) {
		defer func() { c.family.takeGrowth(within, offer.id, err) }()
		a, err := met()
		if err != nil {
			return nil, err
		}
		return c.growTo(within, size, m.Topic, a, offer, options)
	})
	if err != nil {
		nobody, cancel := context.WithCancel(ctx)
		cancel()
		c.family.takeGrowth(nobody, offer.id, err)
	}
	return p, err
}

// growOffer is an id that a rank has to offer for a growth, and whether it was passed; if
// not, it counts where none was.
type growOffer struct {
	id     UniqueID
	passed bool
}

// growMeeting is the meeting of a growth, with what this rank offers. The error is about
// an argument.
func (c *Comm) growMeeting(size int, id UniqueID) (m *regroup.Meeting, offer *growOffer, argument string, err error) {
	if size <= c.size || size > bootstrap.MaxSize {
		return nil, nil, "size", fmt.Errorf("%d; give more than the %d ranks that there are, and at most %d", size, c.size, bootstrap.MaxSize)
	}
	offer = &growOffer{id, !id.IsZero()}
	if !offer.passed {
		offer.id = c.family.pendingGrowth()
	} else if err := id.Validate(); err != nil {
		return nil, nil, "id", err
	}
	return &regroup.Meeting{Decide: growth, Own: offer.encode()}, offer, "", nil
}

func (o *growOffer) encode() []byte {
	switch {
	case o.id.IsZero():
		return nil
	case o.passed:
		return append([]byte{1}, o.id[:]...)
	}
	return append([]byte{0}, o.id[:]...)
}

// growTo joins the communicator of so many ranks that the meeting of a growth has decided
// on, op by name. An offer that nobody has taken is none any more.
func (c *Comm) growTo(ctx context.Context, size int, op string, a regroup.Answer, offer *growOffer, options []ChildOption) (*Comm, error) {
	var g grown
	if err := json.Unmarshal(a.Body, &g); err != nil {
		return nil, &RankError{Rank: 0, Doing: "grow", Err: fmt.Errorf("%w: %w", ErrProtocol, err)}
	}
	if g.Refused != "" {
		return nil, &ArgumentError{Rank: c.rank, Call: "grow", Argument: "id", Err: fmt.Errorf("%s", g.Refused)}
	}
	cfg := c.childConfig(c.rank, size, options)
	var err error
	if cfg.ID, err = readID(g.ID); err != nil {
		return nil, &RankError{Rank: 0, Doing: "grow", Err: err}
	}
	if !offer.passed && offer.id != cfg.ID {
		offer.id = UniqueID{}
	}
	within, cancel := c.settle(ctx)
	defer cancel()
	all := inRankOrder(c.size)
	within, joined := c.joining(within, false)
	defer joined()
	next, err := c.jointly(within, "given up "+op, all, func(ctx context.Context) (*Comm, error) { return Init(ctx, cfg) })
	if err != nil {
		return nil, c.failed(ctx, "grow", c.unborn(within, err, false))
	}
	return next, nil
}

// grown is what the ranks of a communicator that grows hear.
type grown struct {
	ID      []byte // the connections that carry it are encrypted
	Refused string // why there is none
}

// growth finds the one id that ranks have passed or, if none has, the one that a rank has
// made.
func growth(own [][]byte) ([]regroup.Answer, error) {
	g := grown{}
	var with []int
	for _, passed := range []byte{1, 0} {
		for rank, offer := range own {
			if len(offer) > 1 && offer[0] == passed && !bytes.Equal(offer[1:], g.ID) {
				g.ID = offer[1:]
				with = append(with, rank)
			}
		}
		if len(with) > 0 {
			break
		}
	}
	switch {
	case len(with) == 0:
		g.Refused = "no rank has passed one; call GrowID on one rank, and pass the id there"
	case len(with) > 1:
		g = grown{Refused: agree.RankList(with) + " have passed different ones; pass the one of the rank that has called GrowID"}
	}
	body, err := json.Marshal(&g)
	if err != nil {
		return nil, err
	}
	answers := make([]regroup.Answer, len(own))
	for i := range answers {
		answers[i].Body = body
	}
	return answers, nil
}

// readID reads a unique id that came from another rank.
func readID(b []byte) (UniqueID, error) {
	id, err := bootstrap.ParseID(b)
	if err != nil {
		return UniqueID{}, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return id, nil
}
