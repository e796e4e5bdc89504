package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/monel-dev/monel/engine"
)

// someLetters are messages between the ranks of a communicator, in the order in which
// they are sent.
func (g *generator) someLetters(size, most int, toSelf bool) (letters []letter) {
	for n := g.IntN(most + 1); len(letters) < n; {
		l := letter{g.IntN(size), g.IntN(size), g.dtype(), g.shape(0), len(letters)}
		if !toSelf && l.from == l.to {
			if size == 1 {
				return nil
			}
			continue
		}
		if g.IntN(6) == 0 {
			l.shape = []int64{int64(g.IntN(3 * g.chunk))}
		}
		letters = append(letters, l)
	}
	return letters
}

func describeLetters(letters []letter) string {
	var text []string
	for _, l := range letters {
		text = append(text, fmt.Sprintf("%d>%d %v%v", l.from, l.to, l.dt, l.shape))
	}
	return strings.Join(text, ", ")
}

// ownRandom is for choices of a rank's own, which others need not know.
func (g *generator) ownRandom() func(rank int) *rand.Rand {
	seed := g.Uint64()
	return func(rank int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(rank))) }
}

// end is one end of a message, with its tensor.
type end struct {
	letter
	placed
}

func (l letter) end(r *programRank, rng *rand.Rand, sends bool) *end {
	e := &end{l, layouts[rng.IntN(len(layouts))].place(r.t, l.dt, l.shape)}
	if sends {
		e.fill(l.value)
	}
	return e
}

// letters are messages in calls of their own. All ranks have them in one order, so none
// waits for another that waits for it.
func (g *generator) letters() {
	c := g.any()
	letters, random := g.someLetters(len(c.members), 6, false), g.ownRandom()
	g.add(fmt.Sprintf("comm %d: messages %s", c.id, describeLetters(letters)), []int{c.id}, func(r *programRank, id int) error {
		comm := r.comms[id]
		rng := random(comm.Rank())
		var ends []*end
		var works []*engine.Work
		for _, l := range letters {
			sends := l.from == comm.Rank()
			if !sends && l.to != comm.Rank() {
				continue
			}
			e := l.end(r, rng, sends)
			ends = append(ends, e)
			var work *engine.Work
			var err error
			switch blocking := rng.IntN(2) == 0; {
			case sends && blocking:
				err = comm.Send(background, e.tensor, l.to)
			case sends:
				work, err = comm.StartSend(background, e.tensor, l.to)
			case blocking:
				err = comm.Recv(background, e.tensor, l.from)
			default:
				work, err = comm.StartRecv(background, e.tensor, l.from)
			}
			if err != nil {
				return err
			}
			works = append(works, work)
		}
		for i, e := range ends {
			if err := errors.Join(ended(works[i]), e.check(e.value)); err != nil {
				return fmt.Errorf("%d>%d: %w", e.from, e.to, err)
			}
		}
		return nil
	})
}

// grouped is what one communicator has in a group.
type grouped struct {
	letters []letter
	ops     []programOp
}

// groups is one group of calls on some communicators: messages in any order, and
// collectives in theirs; each rank names the communicators as it likes.
func (g *generator) groups() {
	parts, random, text := map[int]grouped{}, g.ownRandom(), ""
	for _, c := range g.live {
		if len(parts) > 0 && g.IntN(2) == 0 {
			continue
		}
		p := grouped{letters: g.someLetters(len(c.members), 8, true)}
		text += fmt.Sprintf(" comm %d: messages %s", c.id, describeLetters(p.letters))
		for range g.IntN(6) {
			p.ops = append(p.ops, g.collective(len(c.members)))
		}
		if g.IntN(2) == 0 { // some that may be fused
			dt, op := g.dtype(), g.op()
			for range g.IntN(12) {
				p.ops = append(p.ops, g.allReduceOf(len(c.members), dt, op))
			}
		}
		for _, op := range p.ops {
			text += "; " + op.text
		}
		parts[c.id] = p
	}
	g.addAll("group of"+text, func(r *programRank) error {
		q := groupQueues{r: r, rng: random(r.rank)}
		for id := range 1000 {
			if c := r.comms[id]; c != nil {
				if p, ok := parts[id]; ok {
					q.collect(c, p)
				}
			}
		}
		return q.run()
	})
}

// groupQueues are a rank's calls in a group; those of a queue keep their order.
type groupQueues struct {
	r      *programRank
	rng    *rand.Rand
	queues [][]func(on func(*engine.Comm) *engine.Group) error
	finish []func() error
}

func (q *groupQueues) collect(c *engine.Comm, p grouped) {
	var sends, recvs, ops []func(on func(*engine.Comm) *engine.Group) error
	for _, l := range p.letters {
		if l.from == c.Rank() {
			e := l.end(q.r, q.rng, true)
			sends = append(sends, func(on func(*engine.Comm) *engine.Group) error { return on(c).Send(e.tensor, l.to) })
			q.check(l, e)
		}
		if l.to == c.Rank() {
			e := l.end(q.r, q.rng, false)
			recvs = append(recvs, func(on func(*engine.Comm) *engine.Group) error { return on(c).Recv(e.tensor, l.from) })
			q.check(l, e)
		}
	}
	for _, op := range p.ops {
		ops = append(ops, func(on func(*engine.Comm) *engine.Group) error {
			finish, err := op.add(q.r, c, on(c))
			q.finish = append(q.finish, func() error {
				if err := finish(); err != nil {
					return fmt.Errorf("%s: %w", op.text, err)
				}
				return nil
			})
			return err
		})
	}
	q.queues = append(q.queues, sends, recvs, ops)
}

func (q *groupQueues) check(l letter, e *end) {
	q.finish = append(q.finish, func() error {
		if err := e.check(e.value); err != nil {
			return fmt.Errorf("%d>%d: %w", l.from, l.to, err)
		}
		return nil
	})
}

func (q *groupQueues) run() error {
	build := func(on func(*engine.Comm) *engine.Group) error {
		for {
			var left []int
			for i := range q.queues {
				if len(q.queues[i]) > 0 {
					left = append(left, i)
				}
			}
			if len(left) == 0 {
				return nil
			}
			i := left[q.rng.IntN(len(left))]
			if err := q.queues[i][0](on); err != nil {
				return err
			}
			q.queues[i] = q.queues[i][1:]
		}
	}
	var errs []error
	if q.rng.IntN(2) == 0 {
		errs = append(errs, engine.RunGroup(background, build))
	} else {
		works, err := engine.StartGroup(background, build)
		errs = append(errs, err)
		for _, w := range works {
			errs = append(errs, w.Wait(background))
		}
	}
	for _, f := range q.finish {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}
