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

var build = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(built); path != "" {
		return path, nil
	}
	return buildLibrary()
})

// built names a library that has been built already, where there is no compiler.
const built = "MONEL_TEST_CUDASIM"

// Build builds the library as Library does, for programs that are no tests.
func Build() (string, error) { return build() }

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
