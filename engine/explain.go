package engine

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/engine/internal/choose"
	"github.com/monel-dev/monel/engine/internal/logging"
	"github.com/monel-dev/monel/tree"
)

// explainPlan says in one line how this rank is connected and which algorithm runs
// at which size.
func (c *Comm) explainPlan() string {
	chunk := int64(c.cfg.ChunkBytes)
	allReduce := "ring"
	switch limit := choose.Limit(chunk, int64(c.cfg.HopBytes), c.size); c.algorithm {
	case choose.Doubling:
		allReduce = fmt.Sprintf("doubling up to %s, then ring, as asked", sizeOf(chunk))
	case choose.Ring:
		allReduce = "ring, as asked"
	case choose.Auto:
		allReduce = fmt.Sprintf("doubling up to %s, then ring", sizeOf(limit))
	}
	broadcast := "binomial tree"
	if asked := c.cfg.Algorithms.Broadcast; asked != autoName {
		broadcast = asked + ", as asked"
	} else if limit, ok := tree.Limit(chunk, c.size); ok {
		broadcast = fmt.Sprintf("binomial tree up to %s, then chain", sizeOf(limit))
	}
	for _, asked := range c.cfg.Algorithms.asked() {
		if !strings.HasPrefix(asked, "broadcast ") {
			broadcast += "; " + asked
		}
	}
	order := strings.Trim(strings.ReplaceAll(fmt.Sprint(c.order), " ", " > "), "[]")
	if c.size > 16 {
		order = fmt.Sprintf("%d > %d > %d", c.prev(), c.rank, c.next())
	}
	connections := ""
	if c.cfg.Connections > 1 {
		connections = fmt.Sprintf("; %d connections to a link over TCP", c.cfg.Connections)
	}
	return fmt.Sprintf("rank %d of %d over %s; ring %s; all_reduce: %s; broadcast: %s; chunks of %s, %d in flight%s",
		c.rank, c.size, c.Transport(), order, allReduce, broadcast, sizeOf(chunk), ringDepth, connections)
}

func sizeOf(bytes int64) string {
	if bytes%1024 == 0 {
		return fmt.Sprintf("%d KiB", bytes/1024)
	}
	return fmt.Sprintf("%d B", bytes)
}

// logsCalls is a logger for calls, nil if nobody listens.
func (cfg *Config) logsCalls() *slog.Logger {
	l := logging.Of(cfg.Logger, logging.Coll)
	if !l.Enabled(context.Background(), slog.LevelDebug) {
		return nil
	}
	return l
}

// logCalls is logCall for an operation that may stand for several calls.
func (c *Comm) logCalls(seq uint64, call *agree.Call, parts []*agree.Call) {
	if parts == nil {
		c.logCall(seq, call)
	}
	for i, part := range parts {
		c.logCall(seq+uint64(i), part)
	}
}

// logCall tells of a call that begins.
func (c *Comm) logCall(seq uint64, call *agree.Call) {
	c.calls.Debug(call.String(), "communicator", c.cfg.Name, "rank", c.rank, "seq", seq)
}
