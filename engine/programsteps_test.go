package engine_test

import (
	"fmt"
	"strings"

	"github.com/monel-dev/monel/engine"
)

// one is a collective.
func (g *generator) one() {
	c := g.any()
	op := g.collective(len(c.members))
	g.add(fmt.Sprintf("comm %d: %s", c.id, op.text), []int{c.id}, func(r *programRank, comm int) error { return op.run(r, r.comms[comm]) })
}

// batch is some collectives that are started before any is waited for.
func (g *generator) batch() {
	c := g.any()
	ops := make([]programOp, 2+g.IntN(4))
	text := make([]string, len(ops))
	for i := range ops {
		ops[i] = g.collective(len(c.members))
		text[i] = ops[i].text
	}
	g.add(fmt.Sprintf("comm %d: start %s", c.id, strings.Join(text, "; ")), []int{c.id}, func(r *programRank, comm int) error {
		finish := make([]func() error, len(ops))
		for i, op := range ops {
			var err error
			if finish[i], err = op.start(r, r.comms[comm], false); err != nil {
				return fmt.Errorf("%s: %w", op.text, err)
			}
		}
		for i, f := range finish {
			if err := f(); err != nil {
				return fmt.Errorf("%s: %w", ops[i].text, err)
			}
		}
		return nil
	})
}

// concurrent is collectives on several communicators at the same time.
func (g *generator) concurrent() {
	var comms []int
	ops := map[int]*programOp{}
	text := ""
	for _, c := range g.live {
		if g.IntN(3) > 0 {
			comms = append(comms, c.id)
			op := g.collective(len(c.members))
			ops[c.id] = &op
			text += fmt.Sprintf(" comm %d: %s;", c.id, op.text)
		}
	}
	if len(comms) > 0 {
		g.add("at once"+text, comms, func(r *programRank, comm int) error { return ops[comm].run(r, r.comms[comm]) })
	}
}

func (g *generator) split() { g.splitOf(g.any(), "split") }

func (g *generator) splitOf(c group, how string) {
	text, start := g.splitter(c, how)
	g.derive(c, text, start)
}

// some is a list of ranks to exclude, with one at least left.
func (g *generator) some(size int) []int { return g.Perm(size)[:g.IntN(size)] }

func (g *generator) shrink() {
	c := g.any()
	g.shrinkOf(c, g.some(len(c.members)), engine.ShrinkDefault)
}

func (g *generator) shrinkAbort() {
	c := g.any()
	g.shrinkOf(c, g.some(len(c.members)), engine.ShrinkAbort)
	g.forget(c.id)
}

// shrinkOf makes a communicator of a group without some of its ranks.
func (g *generator) shrinkOf(c group, out []int, flags engine.ShrinkFlags) {
	text, start := g.shrinker(c, out, flags)
	g.derive(c, text, start)
}

func (g *generator) close() {
	c := g.any()
	if len(g.live) == 1 {
		return
	}
	g.forget(c.id)
	g.add(fmt.Sprintf("comm %d: close", c.id), []int{c.id}, func(r *programRank, comm int) error {
		defer delete(r.comms, comm)
		return r.comms[comm].Close()
	})
}
