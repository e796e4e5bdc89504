package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/engine/internal/regroup"
	"github.com/monel-dev/monel/transport/bootstrap"
)

// plan says which ranks make a new communicator, in the order of their new ranks, and
// where they meet for it.
type plan struct {
	Members []int
	Token   string
}

func (p *plan) encode() []byte {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // there is nothing in it that could not be encoded
	}
	return b
}

// readPlan reads the leader's plan, in which this rank has a place, or no member at all.
func (c *Comm) readPlan(leader int, b []byte) (p plan, err error) {
	if err = json.Unmarshal(b, &p); err == nil {
		seen := map[int]bool{}
		for _, rank := range p.Members {
			if rank < 0 || rank >= c.size || seen[rank] {
				err = fmt.Errorf("rank %d in its plan", rank)
			}
			seen[rank] = true
		}
		if len(p.Members) > 0 && !seen[c.rank] {
			err = fmt.Errorf("a plan without this rank")
		}
	}
	if err != nil {
		return plan{}, &RankError{Rank: leader, Err: fmt.Errorf("%w: %w", ErrProtocol, err)}
	}
	return p, nil
}

// bear makes the communicator of a plan. Its first member founds it, and the others
// join.
func (c *Comm) bear(ctx context.Context, p plan, options []ChildOption) (*Comm, error) {
	cfg := c.childConfig(slices.Index(p.Members, c.rank), len(p.Members), options)
	child, err := c.jointly(ctx, "given up "+p.Token, p.Members, func(ctx context.Context) (*Comm, error) { return c.raise(ctx, p, cfg) })
	if err != nil {
		return nil, err
	}
	child.family.origin = p.Members
	return child, nil
}

// childConfig is the configuration of a rank of a new communicator.
func (c *Comm) childConfig(rank, size int, options []ChildOption) Config {
	cfg := c.cfg
	cfg.Rank, cfg.Size, cfg.Name = rank, size, childOptionsOf(options).name
	cfg.ID, cfg.Root, cfg.Secret, cfg.launched, cfg.ids, cfg.founded = UniqueID{}, "", nil, nil, "", false
	if host, _, err := net.SplitHostPort(cfg.Listen); err == nil {
		cfg.Listen = host // the port is in use
	}
	return cfg
}

func (c *Comm) raise(ctx context.Context, p plan, cfg Config) (*Comm, error) {
	if cfg.Size == 1 {
		return Init(ctx, cfg)
	}
	m := &regroup.Meeting{Topic: "new " + p.Token, Members: p.Members, Once: true}
	var root *meetingRoot
	m.Decide = func([][]byte) (answers []regroup.Answer, err error) {
		answers, root, err = c.family.place.found(c, p.Members, cfg)
		return answers, err
	}
	a, err := c.attend(ctx, m)
	if root != nil {
		defer func() { root.leave(ctx, err) }()
	}
	if err != nil {
		return nil, fmt.Errorf("making a communicator of %s: %w", agree.RankList(p.Members), err)
	}
	child, err := c.family.place.join(ctx, c, cfg, a)
	if err != nil {
		return nil, fromChild(p.Members, err)
	}
	if ctx.Err() != nil { // the others have it; they are told
		_ = child.Abort()
		return nil, context.Cause(ctx)
	}
	return child, nil
}

// fromChild names the rank that an error of a new communicator is about by its number
// here.
func fromChild(members []int, err error) error {
	about := fmt.Errorf("in the new communicator, whose ranks from 0 on are ranks %v here: %w", members, err)
	rank := -1
	var re *RankError
	var world *bootstrap.WorldError
	switch {
	case errors.As(err, &re):
		rank = re.Rank
	case errors.As(err, &world) && len(world.Ranks) == 1:
		rank = world.Ranks[0]
	}
	if rank < 0 || rank >= len(members) {
		return about
	}
	return &RankError{Rank: members[rank], Err: about}
}

// meetingRoot is a root that a rank has made for others to meet at.
type meetingRoot struct {
	id   UniqueID
	root *bootstrap.Root
	once sync.Once
}

// over reports whether the root has served its world, or has told its ranks why there is
// none, so that nobody can meet there any more.
func (r *meetingRoot) over() bool {
	select {
	case <-r.root.Decided():
		return true
	default:
		return false
	}
}

// lingerTime is how long a rank whose Init has failed stays where the others may still
// come to hear why.
const lingerTime = time.Second

// leave gives the root up after an Init of this rank, which may have failed; at once if
// ctx has ended, as it has for the others then.
func (r *meetingRoot) leave(ctx context.Context, err error) {
	r.once.Do(func() {
		if err != nil {
			timer := time.NewTimer(lingerTime)
			defer timer.Stop()
			select {
			case <-r.root.Done(): // all have heard
			case <-ctx.Done():
			case <-timer.C:
			}
		}
		_ = r.root.Close()
	})
}

// meetingPoint listens for the ranks of a communicator until it is left. An address
// without a port gets one from the system; without an address it is every interface
// that the configuration selects.
func meetingPoint(addr string, cfg *Config) (*meetingRoot, error) {
	root, err := bootstrap.NewRoot(context.Background(), bootstrap.RootConfig{Addr: addr, Interface: cfg.Interface, Family: cfg.Family, Logger: cfg.Logger})
	if err != nil {
		return nil, err
	}
	return &meetingRoot{id: root.ID(), root: root}, nil
}

// found makes a root at the address by which the other ranks know this one already.
func (p *sessionPlace) found(c *Comm, members []int, _ Config) ([]regroup.Answer, *meetingRoot, error) {
	ip := p.session.Addr().Addr()
	root, err := meetingPoint(netip.AddrPortFrom(ip, 0).String(), &c.cfg)
	if err != nil {
		return nil, nil, &RankError{Rank: c.rank, Err: err}
	}
	if ip.Zone() == "" {
		if known, err := bootstrap.MakeID(root.id.Secret(), netip.AddrPortFrom(ip, root.root.Addr().Port())); err == nil {
			root.id = known
		}
	}
	answers := make([]regroup.Answer, len(members))
	for i := range answers {
		answers[i].Body = root.id[:]
	}
	return answers, root, nil
}

func (p *sessionPlace) join(ctx context.Context, c *Comm, cfg Config, a regroup.Answer) (*Comm, error) {
	id, err := readID(a.Body)
	if err != nil {
		return nil, err
	}
	cfg.ID, cfg.founded = id, true
	return Init(ctx, cfg)
}

// ParentRanks lists, by rank of this communicator, which rank of the communicator that
// it was made of by Split or Shrink each was; nil if it was not. The slice is the
// caller's.
func (c *Comm) ParentRanks() []int { return slices.Clone(c.family.origin) }

// inParent says which ranks of the parent the given ones are, in parentheses, or "".
func (c *Comm) inParent(ranks ...int) string {
	var names []string
	for _, rank := range ranks {
		if rank >= 0 && rank < len(c.family.origin) && !slices.Contains(names, fmt.Sprintf("%d was %d", rank, c.family.origin[rank])) {
			names = append(names, fmt.Sprintf("%d was %d", rank, c.family.origin[rank]))
		}
	}
	if names == nil {
		return ""
	}
	return " (ranks of the parent: " + strings.Join(names, ", ") + ")"
}
