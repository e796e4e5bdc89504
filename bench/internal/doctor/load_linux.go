//go:build amd64 || arm64

package doctor

import "github.com/ebitengine/purego"

// load says why a shared library cannot be loaded, nil if it can.
func load(library string) error {
	_, err := purego.Dlopen(library, purego.RTLD_LAZY|purego.RTLD_LOCAL)
	return err
}
