package hoptrace

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/conformance"
	"github.com/monel-dev/monel/transport/inproc"
)

func indexOf(h *transport.Header) Label { return Label{Index: binary.LittleEndian.Uint32(h[:])} }

// TestConformance: a traced mesh is a mesh.
func TestConformance(t *testing.T) {
	conformance.Run(t, func(_ *testing.T, ranks int) *conformance.World {
		w := &conformance.World{}
		meshes := inproc.NewWorld(ranks, inproc.Options{})
		for _, m := range meshes {
			w.Meshes = append(w.Meshes, Wrap(m, New(100, time.Now()), indexOf))
		}
		w.Kill = func(rank int) { meshes[rank].Kill() }
		return w
	})
}

// directLink is a link whose ends work on the caller's memory.
type directLink struct {
	transport.Sender
	transport.Receiver
}

func (directLink) Send(context.Context, *transport.Header, [][]byte) error {
	time.Sleep(time.Second)
	return nil
}

func (directLink) SendLater(context.Context, *transport.Header, [][]byte) error {
	time.Sleep(time.Second)
	return nil
}

func (directLink) Flush() error { return nil }

func (directLink) Head(context.Context) (*transport.Header, int, error) {
	time.Sleep(time.Second)
	return &transport.Header{7}, 30, nil
}

func (directLink) Fill(context.Context, [][]byte) error {
	time.Sleep(time.Second)
	return nil
}

func (directLink) Release() {}

type directMesh struct{ transport.Mesh }

func (directMesh) Sender(context.Context, int, int) (transport.Sender, error) {
	return directLink{}, nil
}

func (directMesh) Receiver(context.Context, int, int) (transport.Receiver, error) {
	return directLink{}, nil
}

func TestDirectLinksStayDirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracer := New(10, time.Now())
		m := Wrap(directMesh{}, tracer, indexOf)
		s, err := m.Sender(t.Context(), 3, 0)
		require.NoError(t, err)
		sender := s.(transport.DirectSender)
		require.NoError(t, sender.Send(t.Context(), &transport.Header{5}, [][]byte{make([]byte, 10), make([]byte, 2)}))
		require.NoError(t, sender.SendLater(t.Context(), &transport.Header{6}, [][]byte{make([]byte, 3)}))
		require.NoError(t, sender.Flush())
		r, err := m.Receiver(t.Context(), 4, 0)
		require.NoError(t, err)
		direct := r.(transport.DirectReceiver)
		_, _, err = direct.Head(t.Context())
		require.NoError(t, err)
		require.NoError(t, direct.Fill(t.Context(), nil))
		direct.Release()
		require.Equal(t, []Event{
			{Kind: Sent, Peer: 3, Bytes: 12, Label: Label{Index: 5}, Ended: time.Second},
			{Kind: Sent, Peer: 3, Bytes: 3, Label: Label{Index: 6}, Began: time.Second, Had: time.Second, Ended: 2 * time.Second},
			{Kind: Received, Peer: 4, Bytes: 30, Label: Label{Index: 7}, Began: 2 * time.Second, Had: 3 * time.Second, Ended: 4 * time.Second},
		}, tracer.Events())
	})
}

// TestHopsOfALink: both ends of a hop know the same chunk, and when they waited.
func TestHopsOfALink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		meshes := inproc.NewWorld(2, inproc.Options{Slots: 2, SlotSize: 8})
		tracers := []*Tracer{New(100, time.Now()), New(100, time.Now())}
		s, err := Wrap(meshes[0], tracers[0], indexOf).Sender(t.Context(), 1, 0)
		require.NoError(t, err)
		r, err := Wrap(meshes[1], tracers[1], indexOf).Receiver(t.Context(), 0, 0)
		require.NoError(t, err)
		const chunks = 5
		go func() {
			for i := range chunks {
				for range 2 { // asking again for the same slot is no other hop
					if _, err := s.Acquire(t.Context()); err != nil {
						t.Error(err)
					}
				}
				time.Sleep(time.Millisecond) // to fill it
				if err := s.Commit(&transport.Header{byte(i)}, i); err != nil {
					t.Error(err)
				}
			}
		}()
		time.Sleep(10 * time.Millisecond)
		for range chunks {
			for range 2 {
				_, _, err := r.Next(t.Context())
				require.NoError(t, err)
			}
			time.Sleep(2 * time.Millisecond)
			r.Release()
		}
		synctest.Wait()
		sent, received := tracers[0].Events(), tracers[1].Events()
		require.Len(t, sent, chunks)
		require.Len(t, received, chunks)
		for i := range chunks {
			require.Equal(t, uint32(i), sent[i].Index)
			require.Equal(t, int64(i), sent[i].Bytes)
			require.Equal(t, time.Millisecond, sent[i].Ended-sent[i].Had)
			require.Equal(t, sent[i].Label, received[i].Label)
			require.Equal(t, sent[i].Bytes, received[i].Bytes)
			require.Equal(t, 2*time.Millisecond, received[i].Ended-received[i].Had)
			require.Equal(t, [2]int32{1, 0}, [2]int32{sent[i].Peer, received[i].Peer})
		}
		require.Equal(t, 12*time.Millisecond, sent[2].Had-sent[0].Began, "the third waits until the first is released")
	})
}

func TestTheLatestEventsAreKept(t *testing.T) {
	tracer := New(3, time.Now())
	for i := range 8 {
		tracer.Add(Event{Label: Label{Index: uint32(i)}})
	}
	var kept []uint32
	for _, e := range tracer.Events() {
		kept = append(kept, e.Index)
	}
	require.Equal(t, []uint32{5, 6, 7}, kept)
}

// timeline is a file as its reader sees it.
type timeline struct {
	TraceEvents []struct {
		Name, Ph, ID string
		Ts, Dur      float64
		Pid, Tid     int
		Args         map[string]any
	}
	OtherData map[string]string
}

func parse(t *testing.T, text []byte) (f timeline) {
	t.Helper()
	require.NoError(t, json.Unmarshal(text, &f), "%s", text)
	return f
}

// hop is a chunk of so many microseconds' way from one rank to another.
func hop(start time.Time) []Rank {
	us := time.Microsecond
	l := Label{Seq: 9, Index: 2}
	return []Rank{
		{Communicator: "c", Rank: 0, Process: "a:1", Start: start, Events: []Event{
			{Kind: Sent, Peer: 1, Bytes: 100, Label: l, Began: 10 * us, Had: 12 * us, Ended: 15 * us},
			{Kind: Operation, Name: "all_reduce float sum shape [25]", Bytes: 100, Label: Label{Seq: 9}, Began: 9 * us, Ended: 20 * us},
		}},
		{Communicator: "c", Rank: 1, Process: "b:1", Start: start.Add(5 * us), Events: []Event{
			{Kind: Received, Peer: 0, Bytes: 100, Label: l, Began: 1 * us, Had: 11*us + 500, Ended: 13 * us},
		}},
	}
}

// TestMessagesHaveTracks: they may be under way beside collectives, with the same labels.
func TestMessagesHaveTracks(t *testing.T) {
	start := time.Now()
	ranks := hop(start)
	beside := ranks[0].Events[0]
	beside.Apart = true
	ranks[0].Events = append(ranks[0].Events, beside, Event{Kind: Messages, Name: "messages: 1 to rank 1 (100 B)", Began: beside.Began, Ended: beside.Ended})
	var b bytes.Buffer
	require.NoError(t, Write(&b, ranks...))
	tracks, arrows := map[string]int{}, map[string]bool{}
	for _, e := range parse(t, b.Bytes()).TraceEvents {
		if e.Pid == 1 && e.Name == "thread_name" {
			tracks[e.Args["name"].(string)] = e.Tid
		} else if e.Ph == "s" {
			arrows[e.ID] = true
		}
	}
	require.Equal(t, map[string]int{"operations": 1, "messages": 2, "to rank 1": 7, "messages to rank 1": 9}, tracks)
	require.Len(t, arrows, 2)
}

// check looks at the timeline of hop, whose processes are in this order.
func check(t *testing.T, f timeline, first, second int) {
	t.Helper()
	var got []string
	arrows := map[string]string{}
	for _, e := range f.TraceEvents {
		if e.Ph == "M" {
			if e.Name == "process_name" || e.Name == "thread_name" {
				got = append(got, fmt.Sprint(e.Pid, " ", e.Tid, " ", e.Args["name"]))
			}
			continue
		}
		if e.ID != "" {
			arrows[e.Ph] = e.ID
		}
		got = append(got, fmt.Sprintf("%d %d %s %s %.1f %.1f", e.Pid, e.Tid, e.Ph, e.Name, e.Ts, e.Dur))
	}
	require.Equal(t, []string{
		fmt.Sprint(first, " 1 communicator c, rank 0 (a:1)"),
		fmt.Sprint(first, " 7 to rank 1"),
		fmt.Sprint(first, " 7 X wait 10.0 2.0"),
		fmt.Sprint(first, " 7 X send 12.0 3.0"),
		fmt.Sprint(first, " 7 s hop 12.0 0.0"),
		fmt.Sprint(first, " 1 operations"),
		fmt.Sprint(first, " 1 X all_reduce float sum shape [25] 9.0 11.0"),
		fmt.Sprint(second, " 1 communicator c, rank 1 (b:1)"),
		fmt.Sprint(second, " 4 from rank 0"),
		fmt.Sprint(second, " 4 X wait 6.0 10.5"),
		fmt.Sprint(second, " 4 X receive 16.5 1.5"),
		fmt.Sprint(second, " 4 f hop 16.5 0.0"),
	}, got)
	require.Len(t, arrows, 2)
	require.Equal(t, arrows["s"], arrows["f"], "both ends of the hop")
}

func TestWrite(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Write(&b, hop(time.Now())...))
	check(t, parse(t, b.Bytes()), 1, 2)
}

// TestMerge: the timelines of two processes together are as if written by one,
// whatever their order.
func TestMerge(t *testing.T) {
	ranks := hop(time.Now())
	var parts [2]bytes.Buffer
	for i := range parts {
		require.NoError(t, Write(&parts[i], ranks[i]))
	}
	var merged bytes.Buffer
	require.NoError(t, Merge(&merged, bytes.NewReader(parts[0].Bytes()), bytes.NewReader(parts[1].Bytes())))
	check(t, parse(t, merged.Bytes()), 1, 2)

	merged.Reset()
	require.NoError(t, Merge(&merged, bytes.NewReader(parts[1].Bytes()), bytes.NewReader(parts[0].Bytes())))
	f := parse(t, merged.Bytes())
	for i := range f.TraceEvents { // the ranks' events changed places
		if f.TraceEvents[i].Pid == 2 {
			f.TraceEvents = append(f.TraceEvents[i:], f.TraceEvents[:i]...)
			break
		}
	}
	check(t, f, 2, 1)

	require.ErrorContains(t, Merge(&merged, bytes.NewReader(parts[0].Bytes()), bytes.NewReader([]byte("{"))), "trace 2 of 2")
}

func TestEmpty(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Write(&b))
	require.Empty(t, parse(t, b.Bytes()).TraceEvents)
	require.Contains(t, b.String(), `"traceEvents":[]`)
}
