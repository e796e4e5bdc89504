package kernels

import (
	"embed"
	"io/fs"
)

//go:embed *.cu *.h
var source embed.FS

// Source is the files that the kernels are compiled from. For GPUs that was done
// in advance; simulated ones need them built for the host, with HostFlags, from
// kernels.cu alone: host.h says what is in the result.
func Source() fs.FS { return source }

// HostFlags are what a C++ compiler has to be told so that kernels.cu computes on
// the host what it computes on a GPU. They ask for an object file that may become
// part of a shared library.
func HostFlags() []string {
	return []string{"-x", "c++", "-std=c++17", "-O2", "-fPIC", "-ffp-contract=off", "-fno-strict-aliasing", "-c"}
}
