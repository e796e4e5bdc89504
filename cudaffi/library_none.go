//go:build !linux || !(amd64 || arm64) || nocuda

package cudaffi

import (
	"fmt"
	"runtime"
)

const supported = false

func openLibrary(string) (uintptr, error) {
	return 0, fmt.Errorf("this program was built without CUDA (%s/%s, or the build tag nocuda)", runtime.GOOS, runtime.GOARCH)
}

func lookup(uintptr, string) uintptr { return 0 }

func syscallN(uintptr, []uintptr) uintptr {
	panic("cudaffi: a call without a library")
}
