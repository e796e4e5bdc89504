//go:build !unix

package faults

import "time"

// Processes cannot be stopped here; Losable says so.
func (p *process) stop() time.Time { return time.Now() }
func (p *process) resume()         {}
