package cudasim

import (
	"errors"
	"os"
	"sync"
	"testing"
)

// errUnavailable says that the library cannot be built here, though nothing is
// wrong with it.
var errUnavailable = errors.New("the simulated CUDA driver cannot be built")

var build = sync.OnceValues(buildLibrary)

// Library builds the simulated driver, unless that has been done before with the
// same sources and compiler, and returns its path. It skips the test where
// there is no compiler, and fails it there if the environment variable CI is
// set. It may be called concurrently, by several processes too.
func Library(t testing.TB) string {
	t.Helper()
	path, err := build()
	if errors.Is(err, errUnavailable) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
