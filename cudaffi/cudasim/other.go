//go:build !linux

package cudasim

import (
	"fmt"
	"runtime"
)

func buildLibrary() (string, error) {
	return "", fmt.Errorf("%w on %s, only on Linux", errUnavailable, runtime.GOOS)
}

func openControl(string) (*control, error) {
	_, err := buildLibrary()
	return nil, err
}
