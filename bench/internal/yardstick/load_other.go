//go:build !linux || !(amd64 || arm64)

package yardstick

import (
	"errors"
	"unsafe"

	"github.com/monel-dev/monel/strided/dtype"
)

// There is no loading here: gcc with an ELF library is what Linux has, and
// elsewhere the compiler called gcc, if any, is another one. So the comparison
// with it would not be the one that the bench promises.
const canLoad = false

func load(string, map[dtype.DType]string) (map[dtype.DType]uintptr, error) {
	return nil, errors.ErrUnsupported
}

func call(uintptr, [3]unsafe.Pointer, int, int) {
	panic("yardstick: a C loop on a system that loads none")
}
