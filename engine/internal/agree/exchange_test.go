package agree

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMessagesAreDescribed(t *testing.T) {
	to := func(rank, n int, bytes int64) Convoy { return Convoy{Rank: rank, Messages: n, Bytes: bytes} }
	from := func(rank, n int, bytes int64) Convoy {
		return Convoy{From: true, Rank: rank, Messages: n, Bytes: bytes}
	}
	var many []Convoy
	for rank := range 100 {
		many = append(many, to(rank, 2, 1<<40), from(rank, 1, 5))
	}
	seen := map[uint64]bool{}
	for _, c := range []struct {
		convoys []Convoy
		want    string
		bytes   int64
	}{
		{nil, "messages: ", 0},
		{[]Convoy{to(1, 2, 8000), from(1, 1, 4)}, "messages: 2 to rank 1 (8000 B), 1 from rank 1 (4 B)", 8004},
		{[]Convoy{to(1, 2, 8000), from(2, 1, 4)}, "messages: 2 to rank 1 (8000 B), 1 from rank 2 (4 B)", 8004},
		{many[:4], "messages: 2 to rank 0 (1099511627776 B), 1 from rank 0 (5 B), 2 to rank 1 (1099511627776 B), 1 from rank 1 (5 B)", 2<<40 + 10},
		{many, "messages: 200 to other ranks or itself (109951162777600 B), 100 from them (500 B)", 100<<40 + 500},
	} {
		call := NewMessages(c.convoys)
		require.Equal(t, c.want, call.String())
		require.Equal(t, c.bytes, call.Bytes())
		require.False(t, seen[call.Sig])
		seen[call.Sig] = true
	}
}
