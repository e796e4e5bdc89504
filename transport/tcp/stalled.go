package tcp

import (
	"slices"
	"sync"
	"sync/atomic"
)

// stalled is the set of a mesh's lanes whose sockets had no room for all that
// was committed. A receiver that polls for its next chunk helps them along: what
// it waits for may depend on their chunks, and the core that it polls on would
// otherwise be missing where the writer is to run.
type stalled struct {
	mu   sync.Mutex
	list atomic.Pointer[[]*lane] // replaced, never changed
}

func (st *stalled) add(l *lane) {
	st.mu.Lock()
	defer st.mu.Unlock()
	list := append(slices.Clone(st.get()), l)
	st.list.Store(&list)
}

func (st *stalled) remove(l *lane) {
	st.mu.Lock()
	defer st.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(st.get()), func(x *lane) bool { return x == l })
	st.list.Store(&list)
}

func (st *stalled) get() []*lane {
	if list := st.list.Load(); list != nil {
		return *list
	}
	return nil
}

// help writes what there is room for.
func (st *stalled) help() {
	for _, l := range st.get() {
		l.help()
	}
}
