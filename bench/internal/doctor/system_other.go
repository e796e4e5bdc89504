//go:build !linux

package doctor

import "errors"

func memfd() error { return errors.ErrUnsupported }

func space(string) (size, free int64, err error) { return 0, 0, errors.ErrUnsupported }
