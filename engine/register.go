package engine

import (
	"errors"
	"sync"

	"github.com/monel-dev/monel/transport"
)

// Registration is memory that a communicator's wires may send from where it lies, as
// Comm.Register has it. Its methods may be called from several goroutines.
type Registration struct {
	once    sync.Once
	release func() error // nil if no wire makes use of the memory
	err     error
}

// Register tells the communicator that memory of the host will be sent often. RDMA
// adapters then send what lies in it in one piece without a copy: they get at memory of
// Go's heap by themselves, but at memory that was mapped or comes from C, and at pinned
// memory, only if its owner says for how long it is there. That is the caller's promise
// here: until Deregister has returned, the memory stays mapped where it is. Nothing checks
// that; if other memory is mapped in its place meanwhile, ranks get what was there before.
//
// Other wires have no use for it, and neither has memory of a device, which is registered
// when it is first sent; then Register does nothing. An error, which wraps ErrUnavailable
// as a rule, says why the memory cannot be registered, because too little may be locked for
// instance. Everything works without. A bad argument is an *ArgumentError.
func (c *Comm) Register(memory []byte) (*Registration, error) {
	if err := c.member.Broken(); err != nil {
		return nil, err
	}
	if len(memory) == 0 {
		return nil, &ArgumentError{Rank: c.rank, Call: "register", Argument: "memory", Err: errors.New("it is empty")}
	}
	keeper, ok := c.mesh.(transport.Keeper)
	if !ok {
		return &Registration{}, nil
	}
	release, err := keeper.Keep(memory)
	if err != nil {
		return nil, &RankError{Rank: c.rank, Doing: "register", Err: err}
	}
	return &Registration{release: release}, nil
}

// Direct reports whether wires send from the memory.
func (r *Registration) Direct() bool { return r.release != nil }

// Deregister ends the registration; the memory may be unmapped afterwards. No call that
// uses it may be in progress. Close of the communicator ends it, too. A second call does
// nothing and returns the same.
func (r *Registration) Deregister() error {
	r.once.Do(func() {
		if r.release != nil {
			r.err = r.release()
		}
	})
	return r.err
}
