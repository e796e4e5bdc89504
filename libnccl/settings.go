//go:build cgo && linux

package main

// #include "abi.h"
import "C"

import (
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/monel-dev/monel/engine"
)

// settings are what the environment says about communicators. Nothing is logged unless
// NCCL_DEBUG asks for it, as in NCCL.
func settings() engine.Config {
	follow()
	cfg := engine.SettingsFromEnv()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg
}

var following sync.Mutex

// follow brings Go's copy of the environment, which is as old as the library's loading, up
// to date: programs set variables before they make communicators.
func follow() {
	following.Lock()
	defer following.Unlock()
	now := map[string]string{}
	for i := C.int(0); ; i++ {
		entry := C.monel_environment(i)
		if entry == nil {
			break
		}
		if name, value, _ := strings.Cut(C.GoString(entry), "="); ours(name) {
			now[name] = value
		}
	}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if is, ok := now[name]; ours(name) && !ok {
			_ = os.Unsetenv(name) // cannot fail
		} else if ok && is == value {
			delete(now, name)
		}
	}
	for name, value := range now {
		_ = os.Setenv(name, value) // has been set already, by C
	}
}

func ours(name string) bool {
	return strings.HasPrefix(name, "NCCL_") || strings.HasPrefix(name, "MONEL_")
}
