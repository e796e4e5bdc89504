package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/monel-dev/monel/engine/internal/agree"
)

// exchange is the messages of a group, which go on side by side.
type exchange struct {
	self         [][2]transfer // to and from this rank itself
	sends, recvs []*convoy
}

// convoy is the messages to or from one peer, in order.
type convoy struct {
	peer     int
	messages []transfer
	chunks   int64        // that they take, at most
	done     atomic.Int64 // messages that have been sent or received
}

// exchangeOf sorts a group's transfers by peers. If those with this rank itself do not
// match, they are left out, and the error says why.
func (c *Comm) exchangeOf(transfers []transfer) (*exchange, error) {
	x := &exchange{}
	var toSelf, fromSelf []transfer
	for _, t := range transfers {
		switch {
		case t.peer == c.rank && t.kind == agree.Send:
			toSelf = append(toSelf, t)
		case t.peer == c.rank:
			fromSelf = append(fromSelf, t)
		case t.kind == agree.Send:
			x.sends = c.attach(x.sends, t)
		default:
			x.recvs = c.attach(x.recvs, t)
		}
	}
	bad := func(err error) (*exchange, error) {
		x.self = nil
		return x, &ArgumentError{Rank: c.rank, Call: "group", Argument: "peer", Err: err}
	}
	if len(toSelf) != len(fromSelf) {
		return bad(fmt.Errorf("%d messages to this rank itself and %d from it; each needs both ends in the group", len(toSelf), len(fromSelf)))
	}
	for i := range toSelf {
		if _, err := checkLike(fromSelf[i].tensor, toSelf[i].tensor); err != nil {
			return bad(fmt.Errorf("message %d to this rank itself: %w", i, err))
		}
		x.self = append(x.self, [2]transfer{fromSelf[i], toSelf[i]})
	}
	return x, nil
}

func (c *Comm) attach(convoys []*convoy, t transfer) []*convoy {
	chunks := t.bytes()/int64(c.cfg.ChunkBytes) + 1
	for _, k := range convoys {
		if k.peer == t.peer {
			k.messages = append(k.messages, t)
			k.chunks += chunks
			return convoys
		}
	}
	return append(convoys, &convoy{peer: t.peer, messages: []transfer{t}, chunks: chunks})
}

// describe is the exchange for the flight recorder and the like: a single message is one.
func (x *exchange) describe(c *Comm) agree.Call {
	var list []agree.Convoy
	var only *transfer
	add := func(k *convoy, from bool) {
		d := agree.Convoy{From: from, Rank: k.peer, Messages: len(k.messages)}
		for i := range k.messages {
			d.Bytes += k.messages[i].bytes()
		}
		list, only = append(list, d), &k.messages[0]
	}
	for _, k := range x.sends {
		add(k, false)
	}
	for _, k := range x.recvs {
		add(k, true)
	}
	if len(x.self) > 0 {
		to, from := agree.Convoy{Rank: c.rank}, agree.Convoy{Rank: c.rank, From: true}
		for i := range x.self {
			to.Messages, from.Messages = to.Messages+1, from.Messages+1
			to.Bytes, from.Bytes = to.Bytes+x.self[i][1].bytes(), from.Bytes+x.self[i][0].bytes()
		}
		list = append(list, to, from)
	}
	if len(list) == 1 && list[0].Messages == 1 {
		return only.describe()
	}
	return agree.NewMessages(list)
}

// run carries the exchange out. Everything that somebody else may have to wait for goes
// on by itself:
//
//   - What one chunk holds is sent at once if the link has a slot free. All other
//     sending has a goroutine per peer.
//   - From a peer whose messages here are no more chunks than a link holds, receiving can
//     be put off: all that the peer has sent before them has been received, so they do
//     not keep it waiting. That is done in the order of peers. All other receiving has a
//     goroutine per peer.
func (x *exchange) run(c *Comm, o agree.Op) error {
	c.apart.now.Store(x)
	scratch := func() []byte { return make([]byte, c.cfg.ChunkBytes) } // the communicator's may be in use
	for _, both := range x.self {
		if err := c.copyBy(scratch, both[0].tensor, both[1].tensor); err != nil {
			return err
		}
	}
	tasks := parallel{fail: func(err error) { _ = c.causeApart(o, err) }}
	return tasks.wait(carefully(func() error { return x.begin(c, o, &tasks) }))
}

// begin starts what goes on by itself as tasks, and does the rest.
func (x *exchange) begin(c *Comm, o agree.Op, tasks *parallel) error {
	var later []*convoy
	for _, k := range x.recvs {
		c.postOf(k.peer)
		if k.chunks > ringDepth {
			tasks.start(func() error { return c.receiveAll(o, k) })
		} else {
			later = append(later, k)
		}
	}
	for _, k := range x.sends {
		p := c.postOf(k.peer)
		if sent, err := c.sendNow(o, p, k); err != nil {
			return err
		} else if !sent {
			tasks.start(func() error { return c.sendAll(o, k) })
		}
	}
	for _, k := range later {
		if err := c.receiveAll(o, k); err != nil {
			return err
		}
	}
	return nil
}

// over is a context that has ended: what waits with it looks once.
var over = func() context.Context {
	ctx, end := context.WithCancel(context.Background())
	end()
	return ctx
}()

// sendNow sends messages that fit into one chunk, if that does not have to wait.
func (c *Comm) sendNow(o agree.Op, p *post, k *convoy) (sent bool, err error) {
	if n := c.letters(k.messages); n != len(k.messages) && (k.chunks > 1 || len(k.messages) > 1) {
		return false, nil
	}
	to, err := c.dial(o, &p.out, k.peer, messageChannel)
	if err != nil {
		return false, err
	}
	if _, err := to.Acquire(over); errors.Is(err, context.Canceled) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	p.held = true
	defer func() { p.held = false }()
	return true, c.sendAll(o, k)
}

// parallel runs functions side by side. The first error makes all of them end, by fail.
type parallel struct {
	fail func(error)
	wg   sync.WaitGroup
	mu   sync.Mutex
	err  error
}

func (p *parallel) start(f func() error) {
	p.wg.Go(func() {
		if err := carefully(f); err != nil {
			p.note(err)
		}
	})
}

// carefully is f, also if a device's memory is out of reach.
func carefully(f func() error) (err error) {
	defer caught(&err)
	return f()
}

func (p *parallel) note(err error) {
	p.mu.Lock()
	first := p.err == nil
	if first {
		p.err = err
	}
	p.mu.Unlock()
	if first {
		p.fail(err)
	}
}

// wait waits for all and returns the first error, which may be err.
func (p *parallel) wait(err error) error {
	if err != nil {
		p.note(err)
	}
	p.wg.Wait()
	return p.err
}
