package tcp

import (
	"slices"
	"sync"
	"sync/atomic"
)

// stalled is the set of a mesh's senders whose sockets had no room for all that
// was committed. A receiver that polls for its next chunk helps them along: what
// it waits for may depend on their chunks, and the core that it polls on would
// otherwise be missing where the writer is to run.
type stalled struct {
	mu   sync.Mutex
	list atomic.Pointer[[]*sender] // replaced, never changed
}

func (st *stalled) add(s *sender) {
	st.mu.Lock()
	defer st.mu.Unlock()
	list := append(slices.Clone(st.get()), s)
	st.list.Store(&list)
}

func (st *stalled) remove(s *sender) {
	st.mu.Lock()
	defer st.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(st.get()), func(x *sender) bool { return x == s })
	st.list.Store(&list)
}

func (st *stalled) get() []*sender {
	if list := st.list.Load(); list != nil {
		return *list
	}
	return nil
}

// help writes what there is room for.
func (st *stalled) help() {
	for _, s := range st.get() {
		s.help()
	}
}
