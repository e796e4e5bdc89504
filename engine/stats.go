package engine

import (
	"time"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/engine/internal/record"
	"github.com/monel-dev/monel/transport"
)

// Stats is what a rank has done on a communicator so far.
type Stats struct {
	Communicator string `json:"communicator"` // Config.Name
	Rank         int    `json:"rank"`
	// Namesake tells communicators with the same name and rank apart that are open in
	// this process at the same time: it is the least number from 0 that was free when
	// this one was made.
	Namesake  int    `json:"namesake,omitempty"`
	Size      int    `json:"size"`
	Transport string `json:"transport"` // Comm.Transport
	Failed    bool   `json:"failed"`    // Comm.Err is not nil

	Queued  int           `json:"queued"`     // collectives that were started and have not ended; those of a group on host memory count as one
	Running time.Duration `json:"running_ns"` // how long what is in progress has lasted; 0 if nothing is

	Collectives []CollectiveStats `json:"collectives"` // those that were called
	Wires       []WireStats       `json:"wires"`       // those that the communicator has, used or not
}

// WireStats is how many bytes of elements, or of their sums, a rank has sent and received
// over one transport, those of attempts that failed or were begun again included, and what
// protects chunks, if anything does. Headers, what the wire itself adds, and the control
// plane are not.
type WireStats struct {
	Transport string `json:"transport"` // "shm"
	Sent      uint64 `json:"sent"`
	Received  uint64 `json:"received"`
}

// CollectiveStats are sums over a rank's calls of one collective, or of messages to or
// from other ranks: "send" and "recv", or "messages" for several that a Group carries out
// together, which count as one. All_reduces of a Group that are fused count each, and each
// with the time that all of them take.
//
// Time and Latency are estimates: of calls with less than 4 KiB, one in 16 is timed
// and counts 16 times, since to time all of them would slow them down. Those that
// last longer than a second are always timed, and so are a collective's first calls.
// Failed calls are left out.
type CollectiveStats struct {
	Collective string `json:"collective"` // "all_reduce"
	Calls      uint64 `json:"calls"`      // that have ended
	Failures   uint64 `json:"failures"`   // of them, for whatever reason
	Restarts   uint64 `json:"restarts"`   // because the ranks' layouts walk differently
	Bytes      uint64 `json:"bytes"`      // of the tensors of those that have not failed; see Operation.Bytes

	Time    time.Duration          `json:"time_ns"`
	Latency [LatencyBuckets]uint64 `json:"latency"` // Latency[i] calls took less than LatencyBound(i) and not less than the bound before
}

// LatencyBuckets is the number of buckets of CollectiveStats.Latency.
const LatencyBuckets = record.Buckets

// LatencyBound is the upper bound of a bucket of CollectiveStats.Latency: 1 µs, 4 µs,
// 16 µs and so on. The last bucket has none; its bound is the greatest Duration.
func LatencyBound(bucket int) time.Duration {
	if bucket >= LatencyBuckets-1 {
		return 1<<63 - 1
	}
	return record.Bound(bucket)
}

// Stats returns what this rank has done so far. It may be called from any goroutine,
// and costs the collectives nothing but a moment's lock.
func (c *Comm) Stats() Stats {
	s := Stats{
		Communicator: c.cfg.Name, Rank: c.rank, Namesake: c.namesake, Size: c.size, Transport: c.Transport(),
		Failed: c.Err() != nil, Queued: int(c.queue.count.Load()),
	}
	if mesh, ok := c.mesh.(transport.Metered); ok {
		for _, t := range mesh.Traffic() {
			s.Wires = append(s.Wires, WireStats(t))
		}
	}
	c.member.Inspect(func(now []agree.InProgress) {
		for i := range now {
			s.Running = max(s.Running, time.Since(c.recorder.Born())-now[i].Began, 1)
		}
		c.recorder.Totals(func(kind agree.Collective, t record.Totals) {
			s.Collectives = append(s.Collectives, CollectiveStats{
				Collective: kind.String(), Calls: t.Calls, Failures: t.Failures, Restarts: t.Restarts,
				Bytes: t.Bytes, Time: t.Time, Latency: t.Latency,
			})
		})
	})
	return s
}
