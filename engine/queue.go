package engine

import (
	"context"
	"sync"
	"sync/atomic"
)

// queue holds the collectives that were started and have not ended, in the order
// in which they were. One goroutine carries them out one after the other; it is
// there as long as there are any. Calls that block take the turn themselves unless
// the queue has something in it, behind which they queue up too; those with tensors of
// devices go through the queue, and carry themselves out if they find it empty.
type queue struct {
	count   atomic.Int64   // of works that are queued or in progress
	workers sync.WaitGroup // the goroutine, if there is one

	// order is held by whoever decides what comes next. Calls of the driver that
	// happen meanwhile may wait for works of the queue, which go on.
	order sync.Mutex

	mu         sync.Mutex // guards the rest
	head, tail *Work
	working    bool
}

func (q *queue) busy() bool { return q.count.Load() > 0 }

// settle waits until calls that are starting something have done so. Those that
// come later see that the communicator has failed, if it has.
func (q *queue) settle() {
	q.order.Lock()
	defer q.order.Unlock()
}

// push appends a work, in order.
func (q *queue) push(w *Work) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count.Add(1)
	if q.tail == nil {
		q.head = w
	} else {
		q.tail.next = w
	}
	q.tail = w
	if q.working {
		return
	}
	q.working = true
	if w.waits {
		w.here = true
		q.workers.Add(1)
		return
	}
	q.workers.Go(q.work)
}

// workHere carries out a work that was pushed into an empty queue, and leaves those
// behind it to a goroutine.
func (q *queue) workHere() {
	defer q.workers.Done()
	q.do(q.pop())
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == nil {
		q.working = false
		return
	}
	q.workers.Go(q.work)
}

func (q *queue) pop() *Work {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := q.head
	if w == nil {
		q.working = false
		return nil
	}
	if q.head = w.next; q.head == nil {
		q.tail = nil
	}
	w.next = nil
	return w
}

func (q *queue) work() {
	for w := q.pop(); w != nil; w = q.pop() {
		q.do(w)
	}
}

func (q *queue) do(w *Work) {
	if w.state.CompareAndSwap(workQueued, workTaken) {
		w.err = w.run()
	}
	w.run = nil // what it refers to is the caller's again
	q.count.Add(-1)
	close(w.done)
}

// newWork is a work for the queue whose run is still to be said.
func (c *Comm) newWork(t *task) *Work {
	return &Work{rank: c.rank, kind: t.call.Kind, done: make(chan struct{})}
}

// enqueue appends a work to the queue unless the communicator has failed. Where
// the task's tensors are a device's, its place among other work of the device is
// taken in the same moment; until there is room for that, it waits within ctx.
func (c *Comm) enqueue(ctx context.Context, w *Work, t *task) error {
	if t.gate == nil {
		return c.join(w, t)
	}
	for {
		if err := c.awaitRoom(ctx, t.gate); err != nil {
			return c.notStarted(&t.call, err)
		}
		if err := c.join(w, t); err != errNoRoom { // which another call has taken
			return err
		}
	}
}

func (c *Comm) join(w *Work, t *task) error {
	q := &c.queue
	q.order.Lock()
	defer q.order.Unlock()
	if err := c.member.Broken(); err != nil {
		return err
	}
	if t.gate != nil {
		if err := t.gate.arrive(); err == errNoRoom {
			return err
		} else if err != nil {
			return c.turnedAway(w, t, err)
		}
	}
	if w.joined != nil {
		w.joined()
	}
	q.push(w)
	return nil
}

// turnedAway deals with a task that found no place on its stream.
func (c *Comm) turnedAway(w *Work, t *task, err error) error {
	w.waits = false // its caller hears of it at once
	if t.gate.run == nil && misused(err) {
		bad := &ArgumentError{Rank: c.rank, Call: t.call.Kind.String(), Argument: "stream", Err: err}
		if t.apart != nil {
			return bad // of messages no other rank knows
		}
		w.run = func() error { return c.refuseNow(&t.call, t.parts, bad) }
		c.queue.push(w)
		return bad
	}
	err = c.failedOnDevice(t.gate.g.ctx.Device().Ordinal, err)
	if t.gate.run != nil { // the agent is there, and ends in its turn
		w.run = func() error { t.gate.leave(); return err }
		c.queue.push(w)
	}
	return err
}
