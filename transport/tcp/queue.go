package tcp

// outgoing is a frame on its way out, or a stripe of one. Its payload lies in the slot,
// behind its head if it has one, or elsewhere, in pieces.
type outgoing struct {
	begin  []byte   // the head and what lies behind it
	pieces [][]byte // what follows; cut as it is written
	home   []byte   // the slot's memory for the pieces, behind the head
	slot   *slot    // to be freed when all is written
}

// maxBuffers is how many pieces go into one write or come from one read: a chunk
// in runs of a page each, and some heads.
const maxBuffers = 80

// queue holds frames that are not written yet, the oldest first.
type queue struct {
	frames []outgoing
	bufs   [maxBuffers][]byte
}

func (q *queue) empty() bool { return len(q.frames) == 0 }

func (q *queue) push(o outgoing) { q.frames = append(q.frames, o) }

// keep copies what is not written of the frames' pieces into their slots.
func (q *queue) keep() {
	for i := range q.frames {
		if f := &q.frames[i]; len(f.pieces) > 0 {
			f.keep()
		}
	}
}

// drop forgets all frames.
func (q *queue) drop() {
	for i := range q.frames {
		clear(q.frames[i].pieces)
	}
	*q = queue{}
}

func (f *outgoing) keep() {
	n := 0
	for i, p := range f.pieces {
		n += copy(f.home[n:], p)
		f.pieces[i] = nil // no memory of the caller's is held on to
	}
	f.pieces = nil
	if len(f.begin) == 0 {
		f.begin = f.home[:n]
		return
	}
	// What is left of the head ends where the payload begins.
	f.begin = f.slot.mem[headSize-len(f.begin) : headSize+n]
}

// buffers returns what is to be written next, none of it empty, valid until the
// queue is next used.
func (q *queue) buffers() [][]byte {
	bufs := q.bufs[:0]
	for i := range q.frames {
		f := &q.frames[i]
		if len(f.begin) > 0 {
			if len(bufs) == maxBuffers {
				return bufs
			}
			bufs = append(bufs, f.begin)
		}
		for _, p := range f.pieces {
			if len(p) > 0 {
				if len(bufs) == maxBuffers {
					return bufs
				}
				bufs = append(bufs, p)
			}
		}
	}
	return bufs
}

// advance takes up to n written bytes from the oldest frame. It returns the
// frame's slot if that was all of it, and how many of the n bytes are left.
func (q *queue) advance(n int) (done *slot, rest int) {
	f := &q.frames[0]
	k := min(n, len(f.begin))
	f.begin = f.begin[k:]
	n -= k
	for len(f.pieces) > 0 {
		k := min(n, len(f.pieces[0]))
		n -= k
		if k < len(f.pieces[0]) {
			f.pieces[0] = f.pieces[0][k:]
			break
		}
		f.pieces[0] = nil
		f.pieces = f.pieces[1:]
	}
	if len(f.begin) > 0 || len(f.pieces) > 0 {
		return nil, 0
	}
	done = f.slot
	copy(q.frames, q.frames[1:])
	q.frames[len(q.frames)-1] = outgoing{}
	q.frames = q.frames[:len(q.frames)-1]
	return done, n
}
