//go:build !linux || !(amd64 || arm64) || nocuda

package ibv

import (
	"fmt"
	"runtime"
)

// LibraryName is what the system's loader would be asked for.
const LibraryName = "libibverbs.so.1"

// Available says why the library cannot be loaded.
func Available() error {
	return &LoadError{LibraryName, fmt.Errorf("this program was built without RDMA (%s/%s, or the build tag nocuda)", runtime.GOOS, runtime.GOARCH)}
}
