// Package metrics tells Prometheus what the communicators of this process do: how
// often each collective was called, how much memory that was about, how long it took,
// and whether anything fails or hangs.
//
//	http.Handle("/metrics", metrics.Handler())
//
// It is a package of its own, so that programs which do not ask for it do not link an
// HTTP server.
//
// # Metrics
//
// All have the labels communicator (engine.Config.Name) and rank, and namesake, which is 0
// unless another communicator of the process has the same name and rank (see
// engine.Stats); it is 0 again for one that is made when the first was closed, which
// continues its series. Those of operations have collective, too, and transport, the wires
// that the communicator uses.
//
//	monel_communicator_info               1; labels size and transport
//	monel_communicator_failed             1 if the communicator is unusable
//	monel_operations_queued               collectives that were started and have not ended; a group's on host memory count as one
//	monel_operation_running_seconds       how long the one in progress has lasted; 0 if none is
//	monel_operations_total                collectives that have ended
//	monel_operations_failed_total         of them, those that failed
//	monel_operations_restarted_total      restarts because the ranks' layouts walk differently
//	monel_operation_bytes_total           bytes of the tensors of those that have not failed
//	monel_operation_seconds               a histogram of the times of those that have not failed
//	monel_wire_sent_bytes_total           bytes of elements sent over one transport, which the label is
//	monel_wire_received_bytes_total       the same, received
//
// The histogram is an estimate: see engine.CollectiveStats. A communicator that is
// closed is no longer listed.
package metrics

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/monel-dev/monel/engine"
)

// contentType is that of Prometheus's text format.
const contentType = "text/plain; version=0.0.4; charset=utf-8"

// Handler answers with the metrics of all open communicators of this process.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_ = Write(w, engine.Comms()...) // if it fails, nobody is left to be told
	})
}

// Write writes the metrics of some communicators in Prometheus's text format.
func Write(w io.Writer, comms ...*engine.Comm) error {
	stats := make([]engine.Stats, len(comms))
	for i, c := range comms {
		stats[i] = c.Stats()
	}
	return write(w, stats)
}

func write(w io.Writer, stats []engine.Stats) error {
	var p page
	p.gauge("monel_communicator_info", "A communicator's size and wires.", stats, func(s *engine.Stats) (float64, string) {
		return 1, label("size", strconv.Itoa(s.Size)) + "," + label("transport", s.Transport)
	})
	p.gauge("monel_communicator_failed", "Whether a communicator is unusable.", stats, func(s *engine.Stats) (float64, string) {
		if s.Failed {
			return 1, ""
		}
		return 0, ""
	})
	p.gauge("monel_operations_queued", "Collectives that were started and have not ended.", stats, func(s *engine.Stats) (float64, string) {
		return float64(s.Queued), ""
	})
	p.gauge("monel_operation_running_seconds", "How long the collective in progress has lasted.", stats, func(s *engine.Stats) (float64, string) {
		return s.Running.Seconds(), ""
	})
	p.counter("monel_operations_total", "Collectives that have ended.", stats, func(c *engine.CollectiveStats) uint64 { return c.Calls })
	p.counter("monel_operations_failed_total", "Collectives that have failed.", stats, func(c *engine.CollectiveStats) uint64 { return c.Failures })
	p.counter("monel_operations_restarted_total", "Restarts of collectives whose ranks walk differently.", stats, func(c *engine.CollectiveStats) uint64 { return c.Restarts })
	p.counter("monel_operation_bytes_total", "Bytes of the tensors of collectives that have not failed.", stats, func(c *engine.CollectiveStats) uint64 { return c.Bytes })
	p.histogram("monel_operation_seconds", "Times of collectives that have not failed, estimated from some of them.", stats)
	p.wires("monel_wire_sent_bytes_total", "Bytes of elements sent over a transport.", stats, func(w *engine.WireStats) uint64 { return w.Sent })
	p.wires("monel_wire_received_bytes_total", "Bytes of elements received over a transport.", stats, func(w *engine.WireStats) uint64 { return w.Received })
	_, err := io.WriteString(w, p.String())
	return err
}

// page is a text in Prometheus's format.
type page struct{ strings.Builder }

func (p *page) head(name, kind, help string) {
	fmt.Fprintf(p, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func (p *page) sample(name, labels string, value float64) {
	fmt.Fprintf(p, "%s{%s} %s\n", name, labels, strconv.FormatFloat(value, 'g', -1, 64))
}

// gauge writes one value for each communicator, with labels of its own if it has any.
func (p *page) gauge(name, help string, stats []engine.Stats, of func(*engine.Stats) (value float64, more string)) {
	p.head(name, "gauge", help)
	for i := range stats {
		value, more := of(&stats[i])
		labels := labelsOf(&stats[i])
		if more != "" {
			labels += "," + more
		}
		p.sample(name, labels, value)
	}
}

// each calls f for each collective of each communicator with its labels.
func each(stats []engine.Stats, f func(labels string, c *engine.CollectiveStats)) {
	for i := range stats {
		s := &stats[i]
		for j := range s.Collectives {
			c := &s.Collectives[j]
			f(labelsOf(s)+","+label("transport", s.Transport)+","+label("collective", c.Collective), c)
		}
	}
}

func (p *page) counter(name, help string, stats []engine.Stats, of func(*engine.CollectiveStats) uint64) {
	p.head(name, "counter", help)
	each(stats, func(labels string, c *engine.CollectiveStats) { p.sample(name, labels, float64(of(c))) })
}

// wires writes a counter for each transport of each communicator.
func (p *page) wires(name, help string, stats []engine.Stats, of func(*engine.WireStats) uint64) {
	p.head(name, "counter", help)
	for i := range stats {
		for j := range stats[i].Wires {
			w := &stats[i].Wires[j]
			p.sample(name, labelsOf(&stats[i])+","+label("transport", w.Transport), float64(of(w)))
		}
	}
}

func (p *page) histogram(name, help string, stats []engine.Stats) {
	p.head(name, "histogram", help)
	each(stats, func(labels string, c *engine.CollectiveStats) {
		count := uint64(0)
		for i, n := range c.Latency {
			count += n
			le := "+Inf"
			if bound := engine.LatencyBound(i); bound < time.Duration(1<<63-1) {
				le = strconv.FormatFloat(bound.Seconds(), 'g', -1, 64)
			}
			p.sample(name+"_bucket", labels+","+label("le", le), float64(count))
		}
		p.sample(name+"_sum", labels, c.Time.Seconds())
		p.sample(name+"_count", labels, float64(count))
	})
}

func labelsOf(s *engine.Stats) string {
	return label("communicator", s.Communicator) + "," + label("rank", strconv.Itoa(s.Rank)) + "," + label("namesake", strconv.Itoa(s.Namesake))
}

var escape = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

func label(name, value string) string { return name + `="` + escape.Replace(value) + `"` }
