package tcp

// outgoing is a frame on its way out, in up to two pieces, so that a payload
// may lie elsewhere than its head.
type outgoing struct {
	parts [2][]byte
	slot  *slot // to be freed when all is written
}

// maxBuffers is how many pieces go into one write.
const maxBuffers = 8

// queue holds frames that are not written yet, the oldest first.
type queue struct {
	frames []outgoing
	bufs   [maxBuffers][]byte
}

func (q *queue) empty() bool { return len(q.frames) == 0 }

func (q *queue) push(o outgoing) { q.frames = append(q.frames, o) }

// keepLast replaces what is not written of the last frame's second part by a
// copy in keep.
func (q *queue) keepLast(keep []byte) {
	part := &q.frames[len(q.frames)-1].parts[1]
	*part = keep[:copy(keep, *part)]
}

// buffers returns the pieces that are to be written next, none of them empty,
// valid until the queue is next used.
func (q *queue) buffers() [][]byte {
	bufs := q.bufs[:0]
	for i := range q.frames {
		for _, p := range q.frames[i].parts {
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
	for i, p := range f.parts {
		k := min(n, len(p))
		f.parts[i] = p[k:]
		n -= k
	}
	if len(f.parts[0]) > 0 || len(f.parts[1]) > 0 {
		return nil, 0
	}
	done = f.slot
	copy(q.frames, q.frames[1:])
	q.frames[len(q.frames)-1] = outgoing{}
	q.frames = q.frames[:len(q.frames)-1]
	return done, n
}
