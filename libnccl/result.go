//go:build cgo && linux

package main

// #include <stdlib.h>
// #include "abi.h"
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/monel-dev/monel/engine"
)

// refusal is an error that this package finds before the engine does.
type refusal struct {
	result engine.Result
	text   string
}

func (r *refusal) Error() string { return r.text }

// usage is the error of a wrong argument or use.
func usage(result engine.Result, format string, args ...any) error {
	return &refusal{result, fmt.Sprintf(format, args...)}
}

// resultOf is an error's ncclResult_t.
func resultOf(err error) engine.Result {
	var r *refusal
	if errors.As(err, &r) {
		return r.result
	}
	return engine.ResultOf(err)
}

// result is what an exported function returns: it leaves err's text with the calling
// thread, which is that of C for as long as the function runs.
func result(err error) C.int {
	if err == nil {
		return C.int(engine.Success)
	}
	r := resultOf(err)
	if r != engine.InProgress {
		text := C.CString(err.Error())
		C.monel_note(text)
		C.free(unsafe.Pointer(text))
	}
	return C.int(r)
}

// errNotReady is the error of using it then.
var errNotReady = usage(engine.InvalidArgument, "the communicator is not ready; wait until ncclCommGetAsyncError gives ncclSuccess")

// errInProgress is the state of a communicator whose ranks have not all come yet.
var errInProgress = usage(engine.InProgress, "the communicator is not ready yet")
