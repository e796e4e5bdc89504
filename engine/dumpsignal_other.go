//go:build !unix

package engine

import "os"

// signalNamed is nil: there are no signals here that a program is free to use.
func signalNamed(string) os.Signal { return nil }
