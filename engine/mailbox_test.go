package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// TestLateMessagesAtClose: what has come when a rank that closes serves no messages any more
// makes it fail the others only if they wait for it.
func TestLateMessagesAtClose(t *testing.T) {
	for name, c := range map[string]struct {
		called bool // rank 1 has made the call that rank 0 is in
		owes   bool
	}{
		"a verdict that lets the others go on": {called: true},
		"a question about a call to come":      {owes: true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := Config{Size: 2}.resolve()
			require.NoError(t, err)
			hub := &localHub{done: make(chan struct{})}
			for rank := range 2 {
				hub.comms = append(hub.comms, newComm(rank, 2, cfg))
				hub.comms[rank].control = &localControl{hub, rank}
			}
			serve := func(c *Comm) {
				for _, m := range c.inbox.takeAll() {
					c.handle(m.from, m.payload)
				}
			}
			zero, one := hub.comms[0], hub.comms[1]
			call := agree.NewCall(agree.Broadcast, dtype.Float32, 0, 1, []int64{8})
			op, err := zero.member.Begin(&call, strided.Logical, "")
			require.NoError(t, err)
			if c.called {
				_, err = one.member.Begin(&call, strided.Logical, "")
				require.NoError(t, err)
				require.NoError(t, one.member.End(nil))
				zero.member.Slow(op.Seq)
				serve(zero) // asks
				serve(one)
				serve(zero) // decides, having answered, too
				serve(zero)
			} else {
				zero.member.Dispute(op)
				serve(zero)
			}
			require.NotEmpty(t, one.inbox.queue)
			require.Equal(t, c.owes, one.owes())
			require.Equal(t, c.owes, one.member.Owes())
		})
	}
}
