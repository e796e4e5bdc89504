//go:build !linux && !darwin

package tcp

// setSystemOptions has nothing to set here; keepalive probes and the control
// plane's heartbeats find a lost peer.
func setSystemOptions(uintptr, *Config) error { return nil }
