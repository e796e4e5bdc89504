package regroup

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/transport"
)

func TestMessages(t *testing.T) {
	p := Proposal{Topic: "regroup", Notice: true, Call: "shrink", Members: []int{0, 3}, Own: []byte{0, 255}, Round: 7}
	b, err := EncodeProposal(&p)
	require.NoError(t, err)
	got, err := DecodeProposal(b)
	require.NoError(t, err)
	require.Equal(t, p, got)

	through := func(a Answer) Answer {
		b, err := EncodeAnswer(&a)
		require.NoError(t, err)
		got, err := DecodeAnswer(b, 2, 5)
		require.NoError(t, err)
		return got
	}
	require.Equal(t, Answer{Body: []byte("plan")}, through(Answer{Body: []byte("plan"), Value: 1}))
	for _, cause := range causes {
		got := through(Answer{Err: &transport.RankError{Rank: 4, Err: fmt.Errorf("%w: of this", cause)}})
		var re *transport.RankError
		require.ErrorAs(t, got.Err, &re)
		require.Equal(t, 4, re.Rank)
		require.ErrorIs(t, got.Err, cause)
		require.ErrorContains(t, got.Err, "of this")
	}
	got2 := through(Answer{Err: errors.New("anything else")})
	var re *transport.RankError
	require.ErrorAs(t, got2.Err, &re)
	require.Equal(t, 2, re.Rank, "the leader, for want of another")
	require.ErrorIs(t, got2.Err, transport.ErrAborted)

	got2 = through(Answer{Err: agree.NewMismatch(9, true, []agree.Group{{Ranks: []int{0, 1}, Call: "a"}, {Ranks: []int{3}, Call: "b"}})})
	var mismatch *agree.MismatchError
	require.ErrorAs(t, got2.Err, &mismatch)
	require.ErrorIs(t, got2.Err, agree.ErrMismatch)
	require.True(t, mismatch.Broken)
	require.EqualValues(t, 9, mismatch.Seq)
	require.ErrorContains(t, got2.Err, "rank 3 called b; ranks 0-1 called a")
}

func TestMalformedMessages(t *testing.T) {
	for _, text := range []string{"", "{", "[]", `{"Topic":7}`, `{"Topic":"` + string(make([]byte, 65)) + `"}`,
		`{"Topic":"` + fmt.Sprintf("%065d", 0) + `"}`} {
		_, err := DecodeProposal([]byte(text))
		require.ErrorIs(t, err, transport.ErrProtocol, text)
	}
	for _, text := range []string{"", "{", `{"Body":1}`, `{"Mismatch":{"Groups":[{"Ranks":[5]}]}}`, `{"Mismatch":{"Groups":[{"Ranks":[-1]}]}}`} {
		_, err := DecodeAnswer([]byte(text), 0, 5)
		require.ErrorIs(t, err, transport.ErrProtocol, text)
	}
	// What is only strange is made the best of.
	a, err := DecodeAnswer([]byte(`{"Failure":{"Rank":99,"Cause":-3,"Text":"x"}}`), 1, 5)
	require.NoError(t, err)
	var re *transport.RankError
	require.ErrorAs(t, a.Err, &re)
	require.Equal(t, 1, re.Rank)
	require.ErrorIs(t, a.Err, transport.ErrAborted)
}

// FuzzMessages: whatever comes, nothing panics, and a hall that is told of it still
// works.
func FuzzMessages(f *testing.F) {
	f.Add([]byte(`{"Topic":"regroup","Call":"a","Members":[0,1]}`), []byte(`{"Topic":"regroup","Call":"b","Members":[1,0],"Notice":true}`))
	f.Add([]byte(`{"Mismatch":{"Groups":[{"Ranks":[1],"Call":"x"}]}}`), []byte(`{"Failure":{"Rank":1}}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		h := NewHall(0)
		for from, text := range [][]byte{a, b, a} {
			if answer, err := DecodeAnswer(text, 0, 4); err == nil {
				if _, err := EncodeAnswer(&answer); err != nil {
					t.Fatal(err)
				}
			}
			p, err := DecodeProposal(text)
			if err != nil {
				if !errors.Is(err, transport.ErrProtocol) {
					t.Fatal(err)
				}
				continue
			}
			v := h.Arrive(1+from%2, p)
			select {
			case <-v.Answer():
			default:
				if from == 1 {
					v.Leave(nil)
				}
			}
		}
		h.Close()
		if len(h.topics) != 0 || len(h.visits) != 0 {
			t.Fatal("something is left")
		}
	})
}
