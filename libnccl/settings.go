//go:build cgo && linux

package main

/*
#include <stdlib.h>
#include "abi.h"
*/
import "C"

import (
	"log/slog"
	"unsafe"

	"github.com/monel-dev/monel/engine"
)

// settings are what the environment says about communicators.
func settings() engine.Config {
	cfg := engine.SettingsFromVariables(getenv)
	cfg.Logger = silentUnlessAsked(cfg.Logger)
	cfg.Encrypt = cfg.Encrypt || keyNow() != nil
	return cfg
}

// silentUnlessAsked is a logger that says nothing if there is none: nothing is logged
// unless NCCL_DEBUG asks for it, as in NCCL.
func silentUnlessAsked(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}

// getenv asks the C library: Go's copy of the environment is as old as the library's
// loading, and programs set variables before they make communicators. It is only ever
// asked for single names, which newer C libraries allow while another thread sets
// variables, and nothing is set here: the environment is the program's.
func getenv(name string) string {
	key := C.CString(name)
	defer C.free(unsafe.Pointer(key))
	if v := C.getenv(key); v != nil {
		return C.GoString(v)
	}
	return ""
}
