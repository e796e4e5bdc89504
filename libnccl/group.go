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
	later      bool  // communicators that do not block are on their way
	err        error // of a call that was refused
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
	if err == nil && g.later {
		err = errInProgress
	}
	return result(err)
}

// discard forgets the group's calls.
func (g *group) discard() {
	for _, o := range g.operations {
		o.free()
	}
	for _, p := range g.inits {
		p.c.family.part()
		p.c.drop()
		put(p.out, 0)
	}
}

// meet makes the group's communicators, side by side.
func (g *group) meet() error {
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
// devices are on their streams when it returns, the others have ended.
func (g *group) carry() error {
	var far []*comm
	of := map[*comm][]*operation{}
	for _, o := range g.operations {
		of[o.c] = append(of[o.c], o)
		if o.device != onHost && !slices.Contains(far, o.c) {
			far = append(far, o.c)
		}
	}
	var here []*operation
	for _, o := range g.operations {
		if !slices.Contains(far, o.c) {
			here = append(here, o)
		}
	}
	var errs []error
	for _, c := range far {
		errs = append(errs, c.launch(of[c]))
	}
	errs = append(errs, together(here))
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
