package tcp

import "sync"

// lane is one of a sender's connections, with the stripes that wait for room in
// its socket. What is not written at once is written, always oldest first and
// under the lock, by whoever gets to it: the caller as it commits more or waits
// for a slot, a receiver of the same mesh while it polls, or the writer, a
// goroutine that is there while the queue is not empty and sleeps until the
// socket has room.
//
// Without a way to write what fits at once, the writer alone writes.
//
// Each lane has a lock of its own, so that writers of several can be in the
// system at once: on a fast network that is where a sender spends its time.
type lane struct {
	link *sender

	wire wire      // nil until connected; guarded by the link's token until then
	try  tryWriter // the wire, if it can

	helper helper
	part   outgoing // the stripe that the helper is to enqueue
	pieces [][]byte // of that, but the first lane's; the caller's own

	mu     sync.Mutex
	queue  queue // what is not written yet
	writer bool  // the writer exists
}

// connected gives the lane its connection.
func (l *lane) connected(w wire) {
	l.wire = w
	l.try, _ = w.(tryWriter)
}

// enqueue sends what the socket takes at once of a frame, and leaves the rest to
// be written later. Pieces are the caller's: what is left of them is copied. With
// more to come, all that may wait.
func (l *lane) enqueue(f outgoing, more bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.link.failed(); err != nil {
		l.queue.keep()
		l.link.put(f.slot)
		return err
	}
	l.queue.push(f)
	if more && l.try != nil {
		return nil
	}
	return l.send()
}

// send sends what the socket takes at once of all frames, and leaves the rest to be
// written later. The caller holds the lock.
func (l *lane) send() error {
	l.flush()
	if l.queue.empty() {
		return l.link.failed()
	}
	l.queue.keep()
	if !l.writer {
		l.writer = true
		mesh := l.link.mesh
		mesh.stalled.add(l)
		mesh.writers.Add(1)
		go l.write()
	}
	return l.link.failed()
}

// flush writes what the socket takes at once. The caller holds the lock.
func (l *lane) flush() {
	for l.try != nil && !l.queue.empty() {
		bufs := l.queue.buffers()
		n, err := l.try.tryWrite(bufs)
		clear(bufs) // no memory of the caller's is held on to
		if err != nil {
			l.breakdown(err)
			return
		}
		if n == 0 {
			return
		}
		l.wrote(n)
	}
}

// enqueuePart is the helper's job. What goes wrong, the link remembers.
func (l *lane) enqueuePart() { _ = l.enqueue(l.part, false) }

// help flushes unless somebody else is at it.
func (l *lane) help() {
	if l.mu.TryLock() {
		l.flush()
		l.mu.Unlock()
	}
}

// wrote takes the first n bytes from the queue. The caller holds the lock.
func (l *lane) wrote(n int) {
	for n > 0 {
		sl, rest := l.queue.advance(n)
		n = rest
		if sl != nil {
			l.link.put(sl)
		}
	}
}

// write is the writer: it writes until the queue is empty or the link breaks.
func (l *lane) write() {
	mesh := l.link.mesh
	defer mesh.writers.Done()
	for {
		err := l.wire.drain(l)
		l.mu.Lock()
		if err != nil {
			l.breakdown(err)
		}
		if l.queue.empty() {
			mesh.stalled.remove(l)
			l.writer = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock() // the caller has added to it meanwhile
	}
}

// breakdown ends the link after this connection has failed with err. The caller
// holds the lock.
func (l *lane) breakdown(err error) {
	l.queue.drop()
	l.link.broke(err)
}

// settle waits until whoever had not yet heard of the link's failure has left
// enqueue.
func (l *lane) settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
}
