//go:build !unix

package peers

import "os"

// end ends a process, where it cannot be asked to.
func end(p *os.Process) error { return p.Kill() }
