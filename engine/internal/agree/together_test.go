package agree

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

func together(shapes ...[]int64) (*Call, []*Call) {
	var parts []*Call
	for _, s := range shapes {
		parts = append(parts, call(s...))
	}
	c := Together(parts)
	return &c, parts
}

func TestTogetherIsDescribed(t *testing.T) {
	type list = [][]int64
	long := list{}
	for range 64 {
		long = append(long, []int64{2, 3})
	}
	other := append(list{}, long...)
	other[63] = []int64{3, 2}
	seen := map[uint64]bool{}
	for _, c := range []struct {
		shapes list
		want   string
		bytes  int64
	}{
		{list{{2}, {3, 4}, {}}, "all_reduce float sum of 3 tensors in one, 15 elements: shapes [2] [3 4] []", 60},
		{list{{2}, {4, 3}, {}}, "all_reduce float sum of 3 tensors in one, 15 elements: shapes [2] [4 3] []", 60},
		{list{{2, 3}, {4}, {}}, "all_reduce float sum of 3 tensors in one, 11 elements: shapes [2 3] [4] []", 44},
		{long, "all_reduce float sum of 64 tensors in one, 384 elements: shapes [2 3] [2 3] [2 3] [2 3] [2 3] and 59 more (list ", 4 * 384},
		{other, "all_reduce float sum of 64 tensors in one, 384 elements: shapes [2 3] [2 3] [2 3] [2 3] [2 3] and 59 more (list ", 4 * 384},
	} {
		got, _ := together(c.shapes...)
		require.Contains(t, got.String(), c.want)
		require.Equal(t, c.bytes, got.Bytes())
		require.EqualValues(t, len(c.shapes), got.numbers())
		require.False(t, seen[got.Sig])
		seen[got.Sig] = true
		r := &wireReader{b: got.appendTo(nil)}
		require.Equal(t, *got, readCall(r))
		require.False(t, r.bad)
	}
}

// Ranks that have the same calls in one operation and in several are in step after the
// verdict, whoever refuses some of them, and about none of them there is another one.
func TestTogetherAndOneByOne(t *testing.T) {
	for _, refused := range []int{-1, 0, 1} {
		n := newNetwork(t, 3)
		one, parts := together([]int64{1}, []int64{2}, []int64{3})
		var ops []Op
		for _, m := range n.members[:2] {
			m.Together(parts)
			ops = append(ops, begin(t, m, one, strided.Logical))
		}
		m := n.members[2]
		for i, p := range parts {
			invalid := ""
			if i == refused || refused == 1 && i == 0 {
				invalid = "dst: too small"
			}
			op, err := m.Begin(p, strided.Logical, invalid)
			switch {
			case i > 0 && (refused != 1 || i > 1):
				require.ErrorIs(t, err, ErrMismatch, "the verdict is about it, too")
			case invalid == "":
				require.NoError(t, err)
				m.Dispute(op)
				n.deliver()
				require.ErrorIs(t, m.End(op.Stop.Err()), ErrMismatch)
			default:
				require.NoError(t, err)
				if refused == 0 || i == 1 { // or a second call is refused before anybody has looked at the first
					n.deliver()
				}
			}
		}
		for i, op := range ops {
			require.ErrorIs(t, n.members[i].End(op.Stop.Err()), ErrMismatch)
		}
		n.deliver()
		for _, m := range n.members {
			require.NoError(t, m.Broken())
			op := begin(t, m, call(1), strided.Logical)
			require.EqualValues(t, 3, op.Seq)
			require.NoError(t, m.End(nil))
		}
	}
}

// A rank that has gone on tells of its earlier calls also where one stood for several.
func TestTogetherInHistory(t *testing.T) {
	var h history
	h.add(0, call(1), 7, "")
	one, _ := together([]int64{1}, []int64{2}, []int64{3})
	h.add(1, one, 8, "")
	h.add(4, call(4), 9, "")
	var seqs []uint64
	for _, p := range h.before(5) {
		seqs = append(seqs, p.seq)
	}
	require.Equal(t, []uint64{4, 1, 0}, seqs)
}

// Each of the calls is recorded, with its number.
func TestTogetherIsRecorded(t *testing.T) {
	n := newNetwork(t, 2)
	m := n.members[0]
	var log recordLog
	m.Watch(&log)
	begin(t, m, call(9), strided.Logical)
	require.NoError(t, m.End(nil))
	one, parts := together([]int64{1}, []int64{2})
	m.Together(parts)
	begin(t, m, one, strided.Logical)
	m.Inspect(func(now []InProgress) {
		require.Len(t, now, 2)
		require.Equal(t, *parts[1], now[1].Call)
		require.EqualValues(t, 2, now[1].Seq)
	})
	require.NoError(t, m.End(nil))
	begin(t, m, call(3), strided.Logical)
	require.NoError(t, m.End(nil))
	require.Equal(t, recordLog{{0, 9}, {1, 1}, {2, 2}, {3, 3}}, log)
}

type recordLog [][2]int64

func (l *recordLog) Record(c *Call, e Ended) {
	*l = append(*l, [2]int64{int64(e.Seq), c.Bytes() / int64(dtype.Float32.Size())})
}

// If one rank cannot take the calls together, none does, and they remember it.
func TestOneByOne(t *testing.T) {
	n := newNetwork(t, 3)
	one, parts := together([]int64{1}, []int64{2})
	walks := []strided.Walk{strided.Logical, OneByOne, strided.Logical}
	for round := range 3 {
		var ops []Op
		for rank, m := range n.members {
			m.Together(parts)
			ops = append(ops, begin(t, m, one, walks[rank]))
		}
		if round == 0 {
			n.members[2].Dispute(ops[2])
			n.deliver()
		}
		for rank, m := range n.members {
			if round == 0 {
				require.ErrorIs(t, ops[rank].Stop.Err(), ErrRestart)
				ops[rank] = m.Restarted()
			}
			require.Equal(t, OneByOne, ops[rank].Walk)
			require.EqualValues(t, 2*round, ops[rank].Seq)
			require.NoError(t, m.End(nil))
		}
	}
}
