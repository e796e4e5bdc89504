//go:build cgo && linux

// Command libnccl is Monel with NCCL's interface: built with -buildmode=c-shared
// (make libnccl), it is a libnccl.so.2 for programs that were written for NVIDIA's.
// README.md says what it does where.
//
// The C files hold the functions of nccl.h, with what belongs to the calling thread;
// the Go files what they have in common, over package engine. Each exported Go
// function returns an ncclResult_t and leaves the text of an error with the thread.
package main

/*
#cgo CFLAGS: -I${SRCDIR} -Wall -Werror -fvisibility=default
#cgo LDFLAGS: -ldl
#include "abi.h"
*/
import "C"

import (
	"github.com/monel-dev/monel/engine"
)

func main() {} // never called in a library

// version is the number that MONEL_NCCL_VERSION stands for, "2.19.3" or "21903", and
// that of nccl.h where it is not set.
func version() (int, error) {
	text := getenv("MONEL_NCCL_VERSION")
	if text == "" {
		return C.NCCL_VERSION_CODE, nil
	}
	code, ok := versionCode(text)
	if !ok {
		return 0, usage(engine.InvalidUsage, "MONEL_NCCL_VERSION is %q; give a version like 2.19.3, or its code, 21903", text)
	}
	return code, nil
}

//export monelVersion
func monelVersion(out *C.int) C.int {
	code, err := version()
	if err == nil {
		*out = C.int(code)
	}
	return result(err)
}
