package bootstrap

import (
	"log/slog"
	"net"
	"sync"
	"time"
)

// strangerLog says who was dropped, once a second at most.
type strangerLog struct {
	logger *slog.Logger
	where  string

	mu         sync.Mutex
	next       time.Time
	suppressed int
	evictions  int
}

func (l *strangerLog) dropped(from net.Addr, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Before(l.next) {
		l.suppressed++
		return
	}
	l.next = now.Add(time.Second)
	l.logger.Warn("dropped a connection that did not complete the handshake",
		"listener", l.where, "from", from.String(), "reason", err.Error(), "more", l.suppressed, "evicted", l.evictions)
	l.suppressed, l.evictions = 0, 0
}

func (l *strangerLog) evicted() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.evictions++
}

func (l *strangerLog) acceptFailed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); !now.Before(l.next) {
		l.next = now.Add(time.Second)
		l.logger.Warn("cannot accept connections, trying again", "listener", l.where, "reason", err.Error())
	}
}

func (l *strangerLog) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.suppressed+l.evictions > 0 {
		l.logger.Warn("dropped more connections that did not complete the handshake",
			"listener", l.where, "more", l.suppressed, "evicted", l.evictions)
		l.suppressed, l.evictions = 0, 0
	}
}
