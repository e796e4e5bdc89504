package agree

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided/dtype"
)

// network joins a coordinator and its members by queues, so that tests decide
// when messages move.
type network struct {
	t       *testing.T
	members []*Member
	coord   *Coordinator

	mu   sync.Mutex // the coordinator's timers send, too
	up   []upward
	down []downward
}

type upward struct {
	from    int
	payload []byte
}

type downward struct {
	to      int
	payload []byte
}

func newNetwork(t *testing.T, size int) *network {
	n := &network{t: t}
	for rank := range size {
		n.members = append(n.members, NewMember(func(p []byte) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.up = append(n.up, upward{rank, p})
		}))
	}
	n.coord = NewCoordinator(size, 256<<10, func(to int, p []byte) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.down = append(n.down, downward{to, p})
	})
	t.Cleanup(func() { n.coord.Close() })
	return n
}

// takeUp and takeDown take the messages under way to the coordinator and to
// the members.
func (n *network) takeUp() []upward {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := n.up
	n.up = nil
	return all
}

func (n *network) takeDown() []downward {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := n.down
	n.down = nil
	return all
}

func (n *network) deliverUp() (moved bool) {
	for _, m := range n.takeUp() {
		require.True(n.t, ForCoordinator(m.payload))
		require.NoError(n.t, n.coord.Handle(m.from, m.payload))
		moved = true
	}
	return moved
}

// deliverDown moves messages to the members that hear anything.
func (n *network) deliverDown(hears func(rank int) bool) (moved bool) {
	for _, m := range n.takeDown() {
		require.False(n.t, ForCoordinator(m.payload))
		if hears(m.to) {
			require.NoError(n.t, n.members[m.to].Handle(m.payload))
		}
		moved = true
	}
	return moved
}

func everybody(int) bool { return true }

// deliver moves messages until none is left.
func (n *network) deliver() {
	for n.deliverUp() || n.deliverDown(everybody) {
	}
}

// call is an all_reduce of the given shape.
func call(shape ...int64) *Call {
	c := NewCall(AllReduce, dtype.Float32, dtype.Sum, 0, shape)
	return &c
}

// cast is a broadcast from root.
func cast(root int, shape ...int64) *Call {
	c := NewCall(Broadcast, dtype.Float32, 0, root, shape)
	return &c
}
