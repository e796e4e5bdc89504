package bootstrap

import "sync"

// message is a payload of the layer above, or something to do when all messages that came
// before it have been delivered.
type message struct {
	from    int
	payload []byte
	do      func()
}

// inbox holds messages until they are delivered. It is bounded: readers of links
// wait while it is full, so that a peer which sends faster than the layer above
// takes is slowed down rather than stored.
type inbox struct {
	limit   int
	started bool // guarded by the Control's mutex

	mu     sync.Mutex
	queue  []message
	bytes  int
	closed bool
	some   sync.Cond // queue is not empty, or closed
	room   sync.Cond // bytes is below limit, or closed
}

func (b *inbox) init(limit int) {
	b.limit = limit
	b.some.L, b.room.L = &b.mu, &b.mu
}

// put adds m. When the inbox is full it waits, or reports false.
func (b *inbox) put(m message, wait bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.bytes >= b.limit && !b.closed {
		if !wait {
			return false
		}
		b.room.Wait()
	}
	if b.closed {
		return true // nobody listens any more
	}
	b.queue = append(b.queue, m)
	b.bytes += len(m.payload) + 64 // an empty message takes room, too
	b.some.Signal()
	return true
}

// deliver calls fn for every message until the inbox is closed.
func (b *inbox) deliver(fn func(from int, payload []byte)) {
	for {
		b.mu.Lock()
		for len(b.queue) == 0 && !b.closed {
			b.some.Wait()
		}
		if b.closed {
			b.mu.Unlock()
			return
		}
		batch := b.queue
		b.queue = nil
		b.bytes = 0
		b.room.Broadcast()
		b.mu.Unlock()
		for _, m := range batch {
			if m.do != nil {
				m.do()
				continue
			}
			fn(m.from, m.payload)
		}
	}
}

func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.queue, b.bytes = nil, 0
	b.some.Broadcast()
	b.room.Broadcast()
}
