package cudasim

// control is the simulated driver's interface for tests: the monel_sim functions
// of driver/control.c, by what follows that in their names.
type control struct {
	reset, forgetFaults        func()
	set                        func(name string, value uint64) uint64
	failCall, failKernel       func(name string, n, result uint64)
	failNth, failWork          func(n, result uint64)
	lose                       func(device, result uint64) uint64
	armed                      func() uint64
	count                      func(name string) uint64
	calls, live, leaks, faults func(at *byte, room uint64) uint64
	read                       func(to *byte, address, n uint64) uint64
	write                      func(address uint64, from *byte, n uint64) uint64
}

// controlInterface is the number that the library must have.
const controlInterface = 1
