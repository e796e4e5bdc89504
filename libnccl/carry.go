//go:build cgo && linux

package main

// #include "abi.h"
import "C"

import "context"

//export monelCarry
func monelCarry(call *C.monelCall) C.int {
	o := spare.Get().(*operation)
	switch err := o.read(call); {
	case err != nil:
		return result(inGroup(call.group, err))
	case call.group != 0:
		g := groupOf(call.group)
		g.operations = append(g.operations, o)
		return result(nil)
	}
	if err := o.c.settled(o.c.life); err != nil {
		o.free()
		return result(err)
	}
	if o.streams() {
		return result(launch(o))
	}
	err := o.run(context.Background()) // ncclCommAbort ends it all the same, through the engine
	o.free()
	*o = operation{} // no address of the caller's memory stays behind
	spare.Put(o)
	return result(err)
}
