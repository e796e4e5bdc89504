//go:build !linux || !(amd64 || arm64)

package doctor

import "errors"

func load(string) error { return errors.ErrUnsupported }
