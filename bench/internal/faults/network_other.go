//go:build !linux

package faults

import "fmt"

// network needs network namespaces.
type network struct{}

// Abandon has nothing to remove.
func Abandon() {}

func newNetwork(int, int) (*network, error) {
	return nil, fmt.Errorf("there are no network namespaces on this system: cut needs Linux")
}

func (*network) cut(Kind, int) error  { return nil }
func (*network) mend(Kind, int) error { return nil }
func (*network) address(int) string   { return "" }
func (*network) via(int) []string     { return nil }
func (*network) close() error         { return nil }
