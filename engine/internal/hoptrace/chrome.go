package hoptrace

import (
	"bufio"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"time"
)

// Rank is one rank's part of a timeline.
type Rank struct {
	Communicator string
	Rank         int
	Process      string // host and process number
	Start        time.Time
	Events       []Event
}

// The format is Chrome's "Trace Event Format", in its form as an object. Times are in
// microseconds since Base, which is part of the file, so that files of several
// processes can be put together: a number of nanoseconds since 1970 would not fit
// into JavaScript's numbers.
type file struct {
	TraceEvents     []event `json:"traceEvents"`
	DisplayTimeUnit string  `json:"displayTimeUnit"`
	OtherData       other   `json:"otherData"`
}

type other struct {
	Base int64 `json:"base_unix_ns,string"`
}

// event is one of: X, a slice of a track; s and f, the ends of an arrow; M, a name.
type event struct {
	Name     string         `json:"name"`
	Category string         `json:"cat,omitempty"`
	Phase    string         `json:"ph"`
	Time     float64        `json:"ts"`
	Duration *float64       `json:"dur,omitempty"`
	Process  int            `json:"pid"`
	Thread   int            `json:"tid"`
	ID       string         `json:"id,omitempty"`
	Bind     string         `json:"bp,omitempty"`
	Args     map[string]any `json:"args,omitempty"`
}

// Write writes the timelines of ranks as one file for chrome://tracing and Perfetto.
func Write(w io.Writer, ranks ...Rank) error {
	f := file{DisplayTimeUnit: "ns", TraceEvents: []event{}}
	base := time.Now()
	for _, r := range ranks {
		if r.Start.Before(base) {
			base = r.Start
		}
	}
	f.OtherData.Base = base.UnixNano()
	for i, r := range ranks {
		f.TraceEvents = append(f.TraceEvents, r.timeline(base, i+1)...)
	}
	return f.write(w)
}

func (f *file) write(w io.Writer) error {
	out := bufio.NewWriter(w)
	if err := json.NewEncoder(out).Encode(f); err != nil {
		return err
	}
	return out.Flush()
}

// Merge puts files of Write together, of several processes say. Their clocks are
// taken to agree.
func Merge(w io.Writer, files ...io.Reader) error {
	all := file{DisplayTimeUnit: "ns", TraceEvents: []event{}}
	var parts []file
	for i, r := range files {
		var f file
		if err := json.NewDecoder(r).Decode(&f); err != nil {
			return fmt.Errorf("trace %d of %d: %w", i+1, len(files), err)
		}
		parts = append(parts, f)
		if i == 0 || f.OtherData.Base < all.OtherData.Base {
			all.OtherData.Base = f.OtherData.Base
		}
	}
	processes := 0
	for _, f := range parts {
		later := micros(time.Duration(f.OtherData.Base - all.OtherData.Base))
		most := 0
		for _, e := range f.TraceEvents {
			most = max(most, e.Process)
			e.Process += processes
			if e.Phase != "M" {
				e.Time += later
			}
			all.TraceEvents = append(all.TraceEvents, e)
		}
		processes += most
	}
	return all.write(w)
}

// Tracks are Chrome's threads: one for operations and one for messages, and four for each
// peer, since what happens on one end of a link happens one after the other. Thread and
// process 0 are the idle ones for Perfetto, so all count from 1.
const (
	operationTrack = 1
	messageTrack   = 2
	firstPeerTrack = 3
)

func track(e *Event) int {
	switch e.Kind {
	case Operation:
		return operationTrack
	case Messages:
		return messageTrack
	}
	t := firstPeerTrack + 4*int(e.Peer)
	if e.Kind == Received {
		t++
	}
	if e.Apart {
		t += 2
	}
	return t
}

func trackName(e *Event) string {
	what := ""
	if e.Apart {
		what = "messages "
	}
	switch e.Kind {
	case Sent:
		return fmt.Sprintf("%sto rank %d", what, e.Peer)
	case Received:
		return fmt.Sprintf("%sfrom rank %d", what, e.Peer)
	case Messages:
		return "messages"
	}
	return "operations"
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// timeline is a rank's events as Chrome has them; pid is the rank's place among
// others, since process numbers may be the same.
func (r *Rank) timeline(base time.Time, pid int) []event {
	var out []event
	name := func(what string, thread int, args map[string]any) {
		out = append(out, event{Name: what, Phase: "M", Process: pid, Thread: thread, Args: args})
	}
	name("process_name", operationTrack, map[string]any{"name": fmt.Sprintf("communicator %s, rank %d (%s)", r.Communicator, r.Rank, r.Process)})
	name("process_sort_index", operationTrack, map[string]any{"sort_index": r.Rank})
	shift := r.Start.Sub(base)
	var named []int
	for i := range r.Events {
		e := &r.Events[i]
		t := track(e)
		if !slices.Contains(named, t) {
			named = append(named, t)
			name("thread_name", t, map[string]any{"name": trackName(e)})
			name("thread_sort_index", t, map[string]any{"sort_index": t})
		}
		slice := func(what string, from, to time.Duration, args map[string]any) {
			took := micros(to - from)
			out = append(out, event{Name: what, Category: "hop", Phase: "X", Time: micros(shift + from), Duration: &took, Process: pid, Thread: t, Args: args})
		}
		if e.Kind == Operation || e.Kind == Messages {
			slice(e.Name, e.Began, e.Ended, map[string]any{"seq": e.Seq, "bytes": e.Bytes, "attempts": e.Attempt + 1})
			out[len(out)-1].Category = "operation"
			continue
		}
		if e.Had > e.Began {
			slice("wait", e.Began, e.Had, nil)
		}
		args := map[string]any{"seq": e.Seq, "attempt": e.Attempt, "chunk": e.Index, "bytes": e.Bytes}
		slice(map[Kind]string{Sent: "send", Received: "receive"}[e.Kind], e.Had, e.Ended, args)
		arrow := event{Name: "hop", Category: "hop", Phase: "s", Time: micros(shift + e.Had), Process: pid, Thread: t, ID: r.arrow(e, int32(r.Rank), e.Peer), Bind: "e"}
		if e.Kind == Received {
			arrow.Phase, arrow.ID = "f", r.arrow(e, e.Peer, int32(r.Rank))
		}
		out = append(out, arrow)
	}
	return out
}

// arrow is the same for both ends of a hop, and for no others.
func (r *Rank) arrow(e *Event, from, to int32) string {
	h := fnv.New64a()
	fmt.Fprintln(h, r.Communicator, from, to, e.Apart, e.Seq, e.Attempt, e.Index)
	return fmt.Sprintf("0x%x", h.Sum64())
}
