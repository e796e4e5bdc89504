//go:build amd64 || arm64

package yardstick

import (
	"fmt"

	"github.com/ebitengine/purego"
	"github.com/monel-dev/monel/strided/dtype"
)

const canLoad = true

// load maps a library into this process and looks up what it has of symbols.
func load(library string, symbols map[dtype.DType]string) (map[dtype.DType]uintptr, error) {
	handle, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, err
	}
	found := map[dtype.DType]uintptr{}
	for dt, symbol := range symbols {
		address, err := purego.Dlsym(handle, symbol)
		if err == nil {
			found[dt] = address
		} else if dt != dtype.Float16 {
			return nil, fmt.Errorf("%s: %w", symbol, err)
		}
	}
	return found, nil
}
