package cudasim

import (
	"fmt"
	"sort"
	"strings"
	"time"
)

// settings are numbers by name, as the simulated driver has them.
type settings map[string]uint64

// Option configures the simulated driver.
type Option func(settings)

// Devices is the number of GPUs, 0 to 8. The default is 4.
func Devices(n int) Option { return func(s settings) { s["devices"] = uint64(n) } }

// Memory is the number of bytes that each GPU has. The default is 8 GiB.
func Memory(bytes int64) Option { return func(s settings) { s["memory"] = uint64(bytes) } }

// Version is the CUDA version of the driver: 12040 for CUDA 12.4. Functions that
// later versions brought are not found by cuGetProcAddress. The default is 12080.
func Version(v int) Option { return func(s settings) { s["version"] = uint64(v) } }

// Capability is the compute capability of the GPUs. The default is 9.0.
func Capability(major, minor int) Option {
	return func(s settings) { s["capability"] = uint64(10*major + minor) }
}

// WithoutStreamValues is a driver whose streams can neither write values to
// memory nor wait for them.
func WithoutStreamValues() Option { return func(s settings) { s["values"] = 0 } }

// Lax has calls that may wait for the device not do so.
func Lax() Option { return func(s settings) { s["strict"] = 0 } }

// Patience is how long a call waits for the device before it gives up. The
// default is 10 seconds.
func Patience(d time.Duration) Option {
	return func(s settings) { s["patience_ms"] = uint64(d.Milliseconds()) }
}

// Channels is the number of hardware queues, at most 32, that the streams of a
// context share, whatever their priorities. The default is as many as there are
// streams.
func Channels(n int) Option { return func(s settings) { s["channels"] = uint64(n) } }

// Depth is how many operations a stream has room for; a call that puts one more on
// it waits. The default is 1024.
func Depth(n int) Option { return func(s settings) { s["depth"] = uint64(n) } }

// Multiprocessors is how many each GPU says it has, as which kernels may be
// launched with more blocks. The default is 1.
func Multiprocessors(n int) Option { return func(s settings) { s["multiprocessors"] = uint64(n) } }

// Delays has operations start late: a quarter of them by up to most, at random. So may
// kernels be while they run, where they are handed an address. The same seed gives
// the same delays to streams made in the same order. The default is none.
func Delays(seed uint64, most time.Duration) Option {
	return func(s settings) { s["delay_seed"], s["delay_max_us"] = seed, uint64(most.Microseconds()) }
}

// WithoutDMABuf is a driver that has no descriptors for device memory.
func WithoutDMABuf() Option { return func(s settings) { s["dmabuf"] = 0 } }

// Reuse has what is allocated lie where memory was freed last, if it fits, as with
// allocators that are in a hurry.
func Reuse() Option { return func(s settings) { s["reuse"] = 1 } }

// Verbose prints faults to standard error as they happen.
func Verbose() Option { return func(s settings) { s["verbose"] = 1 } }

func settingsOf(options []Option) settings {
	s := settings{}
	for _, o := range options {
		o(s)
	}
	return s
}

// Environment is what to add to the environment of a process that is to use the
// library at path as its CUDA driver, with these options from its start.
func Environment(path string, options ...Option) []string {
	env := []string{"MONEL_CUDA_LIBRARY=" + path}
	for name, value := range settingsOf(options) {
		env = append(env, fmt.Sprintf("MONEL_CUDASIM_%s=%d", strings.ToUpper(name), value))
	}
	sort.Strings(env)
	return env
}
