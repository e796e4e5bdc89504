//go:build cgo && linux

package main

// #include "abi.h"
import "C"

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/monel-dev/monel/engine"
)

// group is what a thread has called since its outermost ncclGroupStart. It belongs to
// that thread.
type group struct {
	inits      []pendingInit
	operations []*operation
	later      []pendingInit // those that do not block
	err        error         // of a call that was refused
}

// pendingInit is a communicator that meets its others at the group's end.
type pendingInit struct {
	c   *comm
	out *C.ncclComm_t
}

var groups = struct {
	sync.Mutex
	last C.uintptr_t
	by   map[C.uintptr_t]*group
}{by: map[C.uintptr_t]*group{}}

//export monelGroupStart
func monelGroupStart() C.uintptr_t {
	groups.Lock()
	defer groups.Unlock()
	groups.last++
	groups.by[groups.last] = &group{}
	return groups.last
}

func groupOf(number C.uintptr_t) *group {
	groups.Lock()
	defer groups.Unlock()
	return groups.by[number]
}

// inGroup has the group return a call's error at its end, too, as NCCL does.
func inGroup(number C.uintptr_t, err error) error {
	if number != 0 {
		g := groupOf(number)
		if g.err == nil {
			g.err = err
		}
	}
	return err
}

//export monelGroupEnd
func monelGroupEnd(number, run C.uintptr_t) C.int {
	g := groupOf(number)
	groups.Lock()
	delete(groups.by, number)
	groups.Unlock()
	if run == 0 {
		g.discard()
		return result(g.err)
	}
	err := errors.Join(g.err, g.meet(), g.carry())
	if err == nil && len(g.later) > 0 {
		err = errInProgress
	}
	return result(err)
}

// discard forgets the group's calls.
func (g *group) discard() {
	for _, o := range g.operations {
		o.free()
	}
	for _, p := range slices.Concat(g.inits, g.later) {
		p.c.giveUp()
		p.c.drop()
		put(p.out, 0)
	}
}

// meet makes the group's communicators, side by side as far as their turns allow, and
// waits for those that block.
func (g *group) meet() error {
	for _, p := range g.later {
		p.start()
	}
	errs := make([]error, len(g.inits))
	var all sync.WaitGroup
	for i, p := range g.inits {
		all.Go(func() {
			errs[i] = p.meet()
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// carry carries the group's operations out. Those of communicators whose tensors are on
// devices are on their streams when it returns, the others have ended. All are started
// before any is waited for, since they may be ranks of one communicator.
func (g *group) carry() error {
	var far []*launching
	var here []*operation
	var errs []error
	refused := map[*comm]error{}
	for _, o := range g.operations {
		err, known := refused[o.c]
		if !known {
			err = o.c.settled(o.c.life)
			refused[o.c] = err
			errs = append(errs, err)
		}
		if err != nil {
			o.free()
		}
	}
	live := slices.DeleteFunc(g.operations, func(o *operation) bool { return refused[o.c] != nil })
	of := map[*comm][]*operation{}
	for _, o := range live {
		of[o.c] = append(of[o.c], o)
	}
	for _, o := range live {
		switch all := of[o.c]; {
		case !slices.ContainsFunc(all, (*operation).streams):
			here = append(here, o)
		case o == all[0]:
			l, err := o.c.prepare(all)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			far = append(far, l)
		}
	}
	for left := len(far) > 0; left; { // in turns, for each may have to wait for the others
		left = false
		for _, l := range far {
			left = l.next() || left
		}
	}
	errs = append(errs, together(here))
	for _, l := range far {
		errs = append(errs, l.wait())
	}
	return errors.Join(errs...)
}

// together carries out operations on the host as one group of the engine.
func together(operations []*operation) error {
	if len(operations) == 0 {
		return nil
	}
	// A communicator that is aborted meanwhile ends its own calls, and nobody else's.
	return freeAll(operations, engine.RunGroup(context.Background(), func(on func(c *engine.Comm) *engine.Group) error {
		for _, o := range operations {
			o.add(on(o.c.engine))
		}
		return nil
	}))
}
