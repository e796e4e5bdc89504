package ring_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/ring"
)

// blockMachine models ranks that execute an all-gather or a reduce-scatter over
// links with a fixed number of slots. A message carries an arc, as in the machine of
// the all-reduce: for an all-gather, one of no ranks from the block's owner on.
type blockMachine struct {
	config  ring.Config
	reduces bool
	slots   int
	plans   []ring.Plan
	steps   []ring.Step // in progress
	busy    []bool
	done    []bool
	links   [][]message
	written [][]bitmap // by rank and block
	sent    []int64
}

func newBlockMachine(t testing.TB, c ring.Config, reduces bool, slots int) *blockMachine {
	n := c.Size
	m := &blockMachine{
		config: c, reduces: reduces, slots: slots, steps: make([]ring.Step, n), busy: make([]bool, n),
		done: make([]bool, n), links: make([][]message, n), sent: make([]int64, n),
	}
	for r := range n {
		c.Rank = r
		make := ring.AllGather
		if reduces {
			make = ring.ReduceScatter
		}
		plan, err := make(c)
		require.NoError(t, err)
		m.plans = append(m.plans, plan)
		var written []bitmap
		for b := range n {
			written = append(written, newBitmap(m.count(b)))
		}
		m.written = append(m.written, written)
	}
	return m
}

func (m *blockMachine) count(block int) int64 {
	if m.config.Counts != nil {
		return m.config.Counts[block]
	}
	return m.config.Count
}

// advance lets rank r do its next step, or the part of it until it has to wait.
func (m *blockMachine) advance(r int) (bool, error) {
	n := m.config.Size
	if !m.busy[r] {
		step, ok := m.plans[r].Next()
		if !ok {
			moved := !m.done[r]
			m.done[r] = true
			return moved, nil
		}
		m.steps[r], m.busy[r] = step, true
	}
	s := m.steps[r]
	if s.Lo < 0 || s.Hi < s.Lo || s.Hi > m.count(s.Block) || s.Hi-s.Lo > m.config.Chunk {
		return false, fmt.Errorf("rank %d: no such chunk: %+v", r, s)
	}
	next := (r + 1) % n
	if s.Action.Receives() && len(m.links[r]) == 0 || s.Action.Sends() && len(m.links[next]) == m.slots {
		return false, nil
	}
	sum := arc{first: r}
	if s.Action.Receives() {
		got := m.links[r][0]
		if got.index != s.Recv || got.lo != s.Lo || got.hi != s.Hi {
			return false, fmt.Errorf("rank %d expects %+v, gets %+v", r, s, got)
		}
		sum = got.sum
	}
	if m.reduces {
		if (sum.first+sum.ranks)%n != r || sum.first != (s.Block+1)%n {
			return false, fmt.Errorf("rank %d adds to %+v of block %d", r, sum, s.Block)
		}
		sum.ranks++
		if s.Action.Copies() && (s.Block != r || sum.ranks != n) {
			return false, fmt.Errorf("rank %d keeps %+v of block %d", r, sum, s.Block)
		}
	} else if sum.first != s.Block {
		return false, fmt.Errorf("rank %d has block %d for %d", r, sum.first, s.Block)
	}
	if s.Action.Copies() && !m.written[r][s.Block].add(s.Lo, s.Hi) {
		return false, fmt.Errorf("rank %d writes %+v twice", r, s)
	}
	if s.Action.Sends() {
		m.links[next] = append(m.links[next], message{index: s.Send, lo: s.Lo, hi: s.Hi, sum: sum})
		m.sent[r] += s.Hi - s.Lo
	}
	if s.Action.Receives() {
		m.links[r] = m.links[r][1:]
	}
	m.busy[r] = false
	return true, nil
}

// run lets ranks go, chosen by pick or in turns, until none can.
func (m *blockMachine) run(pick func(n int) int) error {
	n := m.config.Size
	for idle, turn := 0, 0; idle <= n; {
		r := turn
		if pick != nil && idle == 0 {
			r = pick(n)
		} else {
			turn = (turn + 1) % n
		}
		idle++
		for {
			moved, err := m.advance(r)
			if err != nil {
				return err
			}
			if !moved {
				break
			}
			idle = 0
			if pick != nil {
				break
			}
		}
	}
	var all, per int64
	for b := range n {
		all += m.count(b)
	}
	for r := range n {
		if !m.done[r] {
			return errStuck
		}
		if len(m.links[r]) != 0 {
			return fmt.Errorf("%d messages to rank %d were never received", len(m.links[r]), r)
		}
		for b := range n {
			wanted := b != r
			if m.reduces {
				wanted = b == r
			}
			if got := m.written[r][b].full(); m.count(b) > 0 && got != wanted {
				return fmt.Errorf("block %d of rank %d: written %v, want %v", b, r, got, wanted)
			}
		}
		per = all - m.count((r+1)%n)
		if m.reduces {
			per = all - m.count(r)
		}
		if m.sent[r] != per {
			return fmt.Errorf("rank %d sent %d elements, want %d", r, m.sent[r], per)
		}
	}
	return nil
}

// Every world size up to 40, at and around the edges of chunks, in turns and in
// random order, through as many slots as the depth.
func TestBlocks(t *testing.T) {
	rng := seeded(t)
	for n := 2; n <= 40; n++ {
		for _, reduces := range []bool{false, true} {
			chunk := 1 + rng.Int64N(20)
			for _, count := range []int64{0, 1, chunk - 1, chunk, chunk + 1, 5*chunk + rng.Int64N(chunk)} {
				c := ring.Config{Size: n, Count: count, Chunk: chunk, Align: []int64{1, 4, 64}[rng.IntN(3)], Depth: 2 + rng.IntN(6)}
				require.NoError(t, newBlockMachine(t, c, reduces, c.Depth).run(nil), "%+v", c)
				require.NoError(t, newBlockMachine(t, c, reduces, c.Depth).run(rng.IntN), "%+v", c)
			}
		}
	}
}

func TestBlocksOfDifferentSizes(t *testing.T) {
	rng := seeded(t)
	for range 200 {
		c := ring.Config{Size: 2 + rng.IntN(8), Chunk: 1 + rng.Int64N(9), Align: 1, Depth: 2 + rng.IntN(4)}
		c.Counts = make([]int64, c.Size)
		for i := range c.Counts {
			if rng.IntN(3) > 0 {
				c.Counts[i] = rng.Int64N(40)
			}
		}
		require.NoError(t, newBlockMachine(t, c, false, c.Depth).run(rng.IntN), "%+v", c)
	}
}

func TestBlockConfigs(t *testing.T) {
	for field, c := range map[string]ring.Config{
		"Size":   {Size: 0, Chunk: 1, Align: 1, Depth: 2},
		"Count":  {Size: 2, Count: -1, Chunk: 1, Align: 1, Depth: 2},
		"Counts": {Size: 2, Counts: []int64{1}, Chunk: 1, Align: 1, Depth: 2},
		"Depth":  {Size: 2, Chunk: 1, Align: 1, Depth: 1},
	} {
		_, err := ring.AllGather(c)
		var bad *ring.ConfigError
		require.ErrorAs(t, err, &bad)
		require.Equal(t, field, bad.Field)
	}
	_, err := ring.AllGather(ring.Config{Size: 2, Counts: []int64{1, -2}, Chunk: 1, Align: 1, Depth: 2})
	require.ErrorIs(t, err, ring.ErrConfig)
	_, err = ring.ReduceScatter(ring.Config{Size: 3, Count: 1 << 60, Chunk: 1, Align: 1, Depth: 2})
	require.ErrorIs(t, err, ring.ErrConfig, "more messages than can be numbered")
	plan, err := ring.AllGather(ring.Config{Size: 1, Count: 9, Chunk: 1, Align: 1, Depth: 2})
	require.NoError(t, err)
	_, more := plan.Next()
	require.False(t, more)
}
