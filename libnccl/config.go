//go:build cgo && linux

package main

// #include "abi.h"
import "C"

import (
	"unsafe"

	"github.com/monel-dev/monel/engine"
)

// undefined is what members have that nobody has set: NCCL_CONFIG_UNDEF_INT.
const undefined = C.NCCL_CONFIG_UNDEF_INT

// known copies as much of a caller's struct as both sides know over ours, which has
// the defaults. A caller with an older header has a smaller one, one with a newer a
// larger one, whose further members are ignored.
func known(ours, theirs unsafe.Pointer, size, theirSize uintptr) {
	n := min(size, theirSize)
	copy(unsafe.Slice((*byte)(ours), n), unsafe.Slice((*byte)(theirs), n))
}

// headBytes are size, magic and version, with which all structs begin.
const headBytes = 16

// readConfig reads what a communicator is configured to be.
func readConfig(theirs *C.ncclConfig_t) (blocking bool, err error) {
	if theirs == nil {
		return true, nil
	}
	if theirs.magic != C.NCCL_API_MAGIC || theirs.size < headBytes {
		return false, usage(engine.InvalidArgument, "config was not set to NCCL_CONFIG_INITIALIZER")
	}
	ours := C.ncclConfig_t{
		blocking: undefined, cgaClusterSize: undefined, minCTAs: undefined, maxCTAs: undefined,
		splitShare: undefined, shrinkShare: undefined, collnetEnable: undefined,
	}
	known(unsafe.Pointer(&ours), unsafe.Pointer(theirs), unsafe.Sizeof(ours), uintptr(theirs.size))
	for _, m := range []struct {
		name        string
		value       C.int
		least, most C.int
	}{
		{"blocking", ours.blocking, 0, 1},
		{"cgaClusterSize", ours.cgaClusterSize, 0, 8},
		{"minCTAs", ours.minCTAs, 1, 1 << 30},
		{"maxCTAs", ours.maxCTAs, 1, 1 << 30},
		{"splitShare", ours.splitShare, 0, 1},
		{"shrinkShare", ours.shrinkShare, 0, 1},
		{"collnetEnable", ours.collnetEnable, 0, 1},
	} {
		if m.value != undefined && (m.value < m.least || m.value > m.most) {
			return false, usage(engine.InvalidArgument, "config.%s is %d; give %d to %d, or NCCL_CONFIG_UNDEF_INT", m.name, m.value, m.least, m.most)
		}
	}
	if ours.minCTAs != undefined && ours.maxCTAs != undefined && ours.minCTAs > ours.maxCTAs {
		return false, usage(engine.InvalidArgument, "config.minCTAs is %d, more than maxCTAs, %d", ours.minCTAs, ours.maxCTAs)
	}
	return ours.blocking != 0, nil
}

// nameIn is the name that a configuration gives a communicator, or "". It has been read
// before.
func nameIn(theirs *C.ncclConfig_t) string {
	var ours C.ncclConfig_t
	if theirs != nil {
		known(unsafe.Pointer(&ours), unsafe.Pointer(theirs), unsafe.Sizeof(ours), uintptr(theirs.size))
	}
	return C.GoString(ours.commName)
}

// mostOptions bounds the list of a collective's options, which might be a circle.
const mostOptions = 1024

// readCollConfig reads the layouts that a collective's configuration has for its
// buffers, nil where it has none.
func readCollConfig(theirs *C.ncclCollConfig_t) (send, recv *C.monelTensor_t, err error) {
	if theirs == nil {
		return nil, nil, nil
	}
	if theirs.magic != C.NCCL_API_MAGIC || theirs.size < headBytes {
		return nil, nil, usage(engine.InvalidArgument, "config was not set to NCCL_COLLCONFIG_INITIALIZER")
	}
	ours := C.ncclCollConfig_t{forceAlgSelection: 1}
	known(unsafe.Pointer(&ours), unsafe.Pointer(theirs), unsafe.Sizeof(ours), uintptr(theirs.size))
	if ours.launchCompletionEvent != nil {
		return nil, nil, usage(engine.InvalidUsage, "config.launchCompletionEvent is not supported; record the event after the call")
	}
	if ours.forceAlgSelection != 0 && ours.algSelection != nil && *ours.algSelection != 0 {
		return nil, nil, usage(engine.InvalidUsage, "config.algSelection %q is not supported by the call; set NCCL_ALGO, or forceAlgSelection to 0", C.GoString(ours.algSelection))
	}
	left := mostOptions
	for o := ours.ext; o != nil; o = o.next {
		if left--; left < 0 {
			return nil, nil, usage(engine.InvalidArgument, "config.ext has more than %d options; it must not be a circle", mostOptions)
		}
		if o.key.vendorId != C.MONEL_VENDOR_ID {
			continue
		}
		to := &send
		switch o.key.optionId {
		case C.MONEL_OPTION_SEND_LAYOUT:
		case C.MONEL_OPTION_RECV_LAYOUT:
			to = &recv
		default:
			return nil, nil, usage(engine.InvalidArgument, "config.ext has option %d, which does not exist; monel_nccl.h lists them", o.key.optionId)
		}
		raw := *(**C.monelTensor_t)(unsafe.Pointer(&o.val))
		if *to != nil || raw == nil {
			return nil, nil, usage(engine.InvalidArgument, "config.ext has option %d twice, or without a layout", o.key.optionId)
		}
		*to = raw
	}
	return send, recv, nil
}
