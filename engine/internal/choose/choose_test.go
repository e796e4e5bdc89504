package choose

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/doubling"
)

func TestLimit(t *testing.T) {
	const chunk, hop = 256 << 10, 16 << 10
	for _, c := range []struct {
		size int
		want int64
	}{
		{2, chunk},       // as many bytes as the ring, half the hops
		{3, hop * 3 / 5}, // three rounds against four hops
		{4, 8 * hop},
		{8, 8 * 11 * hop / 10},
		{16, 16 * 26 * hop / 34},
	} {
		require.Equal(t, min(c.want, chunk), Limit(chunk, hop, c.size), "size %d", c.size)
	}
	require.Equal(t, int64(64), Limit(64, hop, 2), "a chunk is the most")
}

// TestPickFollowsTheModel compares with the formula, term by term.
func TestPickFollowsTheModel(t *testing.T) {
	const chunk = 1 << 40
	for size := int64(2); size < 300; size++ {
		rounds := int64(doubling.Rounds(int(size)))
		for bytes := int64(1); bytes < 1<<30; bytes = bytes*3 + 1 {
			ring := (2*size-2)*Hop*size + (2*size-2)*bytes
			want := Ring
			if size*rounds*(Hop+bytes) <= ring {
				want = Doubling
			}
			require.Equal(t, want, Pick(bytes, chunk, Hop, int(size)), "%d bytes, %d ranks", bytes, size)
		}
	}
	require.Equal(t, Doubling, Pick(0, chunk, Hop, 1000))
}

func TestOneRound(t *testing.T) {
	for _, c := range []struct {
		bytes int64
		size  int
		want  bool
	}{
		{8, 2, false}, // is one round anyway
		{0, 3, true}, {Hop / 2, 3, true}, {Hop/2 + 1, 3, false},
		{Hop / 7, MostDirect, true}, {Hop/7 + 1, MostDirect, false}, {0, MostDirect + 1, false},
	} {
		require.Equal(t, c.want, OneRound(c.bytes, Hop, c.size), "%+v", c)
	}
}

func TestParse(t *testing.T) {
	for _, a := range []AllReduce{Auto, Ring, Doubling} {
		got, ok := Parse(a.String())
		require.True(t, ok)
		require.Equal(t, a, got)
	}
	a, ok := Parse("")
	require.True(t, ok)
	require.Equal(t, Auto, a)
	_, ok = Parse("tree")
	require.False(t, ok)
}
