//go:build !linux

package limit

import (
	"errors"

	"github.com/monel-dev/monel/bench/internal/cli"
)

// join would make the wire between neighbours.
func join(cli.Transport, int, int, string) (wire, string, error) {
	return nil, "", errors.New("--limit is measured on Linux only")
}
