//go:build cgo && linux

package main

// #include "abi.h"
import "C"

//export monelCarry
func monelCarry(call *C.monelCall) C.int {
	o, err := read(call)
	switch {
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
	defer o.free()
	return result(o.run(o.c.life))
}
