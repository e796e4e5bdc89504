package bootstrap

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/monel-dev/monel/internal/awake"
	"github.com/monel-dev/monel/transport"
)

// link is one control connection with a goroutine that reads and one that
// writes. Nothing that the layer above calls ever waits for the peer.
type link struct {
	peer  int
	conn  net.Conn
	beat  time.Duration // a heartbeat is sent when nothing else was for so long
	lost  time.Duration // the peer is lost when nothing came for so long
	limit int           // bytes that may wait to be sent

	frame func(l *link, t frameType, payload []byte) error
	down  func(l *link, err error)

	reported bool // the peer has reported a failure; the reader's own
	deserted bool // that it has given this rank up; the reader's own

	began time.Time
	heard atomic.Int64 // when something last came, since began
	lapse atomic.Int64 // when something last came after a gap that is longer than heartbeats leave

	mu      sync.Mutex
	doubt   doubt
	queue   []queued
	bytes   int
	closing bool // send what is queued, then no more
	broken  bool // send nothing more
	stuck   bool // the peer took nothing for too long
	wake    chan struct{}
	over    chan struct{} // closed when the reader has ended
	sent    chan struct{} // closed when the writer has ended
}

type queued struct {
	frame []byte
	sent  chan struct{} // closed when it has been written, or never will be
}

// errOverflow: the peer does not read.
var errOverflow = errors.New("it does not take its control messages")

// send queues a frame. Urgent ones ignore the limit. The channel, asked for with
// notify, is closed when the frame has been handed to the system, or cannot be.
func (l *link) send(t frameType, payload []byte, urgent, notify bool) (sent <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken || l.closing {
		return closedChan, net.ErrClosed
	}
	n := frameHeader + len(payload)
	if !urgent && l.bytes+n > l.limit {
		return closedChan, errOverflow
	}
	q := queued{frame: appendFrame(make([]byte, 0, n), t, payload)}
	if notify {
		q.sent = make(chan struct{})
		sent = q.sent
	}
	l.queue = append(l.queue, q)
	l.bytes += n
	l.poke()
	return sent, nil
}

var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (l *link) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// finish sends what is queued and then ends the sending direction.
func (l *link) finish() {
	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	l.poke()
}

// cut ends both directions at once.
func (l *link) cut() {
	l.mu.Lock()
	l.broken = true
	l.mu.Unlock()
	l.conn.Close()
	l.poke()
}

func (l *link) run(wg *sync.WaitGroup) {
	l.wake = make(chan struct{}, 1)
	l.over = make(chan struct{})
	l.sent = make(chan struct{})
	l.began = time.Now()
	wg.Add(2)
	go func() {
		defer wg.Done()
		defer close(l.sent)
		l.write()
	}()
	go func() {
		defer wg.Done()
		defer close(l.over)
		err := l.read()
		l.mu.Lock()
		if l.stuck {
			err = errOverflow
		}
		l.mu.Unlock()
		l.down(l, err)
		l.finish() // answer the end of the peer's direction with that of ours
	}()
}

// write sends what is queued, in batches, and heartbeats in between.
func (l *link) write() {
	timer := time.NewTimer(l.beat)
	defer timer.Stop()
	heartbeat := appendFrame(nil, frameBeat, nil)
	var batch []queued
	abandon := func() {
		l.mu.Lock()
		l.broken = true
		batch = append(batch, l.queue...)
		l.queue = nil
		l.mu.Unlock()
		for _, q := range batch {
			if q.sent != nil {
				close(q.sent)
			}
		}
	}
	for {
		l.mu.Lock()
		batch, l.queue, l.bytes = l.queue, nil, 0
		closing, broken := l.closing, l.broken
		l.mu.Unlock()
		if broken {
			abandon()
			return
		}
		var buf []byte
		for _, q := range batch {
			buf = append(buf, q.frame...)
		}
		if buf == nil && closing {
			if c, ok := l.conn.(interface{ CloseWrite() error }); ok {
				c.CloseWrite()
			} else {
				l.conn.Close()
			}
			abandon()
			return
		}
		if buf == nil {
			select {
			case <-l.wake:
				continue
			case <-timer.C:
				buf = heartbeat
			}
		}
		l.conn.SetWriteDeadline(time.Now().Add(l.lost))
		if _, err := l.conn.Write(buf); err != nil {
			abandon()
			l.fade(err)
			return
		}
		for i, q := range batch {
			if q.sent != nil {
				close(q.sent)
			}
			batch[i] = queued{}
		}
		batch = nil
		timer.Reset(l.beat)
	}
}

// fade ends a connection that cannot be written to. The reader is given a moment
// to find what the peer may have said before it went away: its last words tell
// more than its silence.
func (l *link) fade(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		l.mu.Lock()
		l.stuck = true
		l.mu.Unlock()
	}
	timer := time.NewTimer(min(l.beat, l.lost/4))
	defer timer.Stop()
	select {
	case <-l.over:
	case <-timer.C:
	}
	l.conn.Close()
}

// read handles frames until the connection ends or the peer misbehaves.
func (l *link) read() error {
	r := bufio.NewReader(&watchedConn{l})
	for {
		t, payload, err := readFrame(r, MaxMessage)
		if err != nil {
			return err
		}
		if t == frameBeat {
			if len(payload) != 0 {
				return fmt.Errorf("%w: heartbeat with a payload", transport.ErrProtocol)
			}
			continue
		}
		if err := l.frame(l, t, payload); err != nil {
			return err
		}
	}
}

// watchedConn fails a Read when nothing came for the link's lost time. When that
// time is nearly up it looks a second time, with a fresh deadline: if it was this
// process that slept (stopped and continued, or a suspended machine), what the
// peer sent meanwhile is there. A look that it slept through does not count.
type watchedConn struct{ l *link }

// mostLooks bounds how often it looks.
const mostLooks = 10

func (w *watchedConn) Read(p []byte) (int, error) {
	second := min(w.l.beat, w.l.lost/4)
	w.l.conn.SetReadDeadline(time.Now().Add(w.l.lost - second))
	n, err := w.l.conn.Read(p)
	for looks := 0; n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && looks < mostLooks; looks++ {
		began := time.Now()
		w.l.conn.SetReadDeadline(began.Add(second))
		n, err = w.l.conn.Read(p)
		if time.Since(began) < second+awake.Step {
			break
		}
	}
	if n > 0 {
		now := time.Since(w.l.began)
		if now-time.Duration(w.l.heard.Swap(int64(now))) > w.l.beat+w.l.beat/2 {
			w.l.lapse.Store(int64(now))
		}
	}
	return n, err
}

// silence is how long nothing has come from the peer.
func (l *link) silence() time.Duration {
	return time.Since(l.began) - time.Duration(l.heard.Load())
}

// steady reports whether what the peer sends has come as regularly as it should, lately:
// then neither it nor this process nor what is between them has been away.
func (l *link) steady() bool {
	lapse := time.Duration(l.lapse.Load())
	return l.silence() < l.lost/2 && (lapse == 0 || time.Since(l.began)-lapse > l.lost)
}

// doubt is a first look at a link, from which nothing has come for too long.
type doubt struct {
	heard       int64         // when something last came, by then
	since, last time.Duration // the first look and the latest, since the link began; 0 if there was none
}

// A link counts as silent at a second look, so much later than the first. If this process
// has slept (stopped and continued, or a suspended machine), the first may find the silence
// of its sleep; what the peer has sent meanwhile is read before the second. Looks that
// are farther apart than apartLooks are two first ones.
const (
	secondLook = 80 * time.Millisecond
	apartLooks = 3 * secondLook
)

// silent reports whether nothing has come for so long, at a second look. It is for
// callers that ask every so often.
func (l *link) silent(d time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, heard := time.Since(l.began), l.heard.Load()
	if now-time.Duration(heard) < d {
		return false
	}
	if l.doubt.since == 0 || l.doubt.heard != heard || now-l.doubt.last > apartLooks {
		l.doubt = doubt{heard, now, now}
		return false
	}
	l.doubt.last = now
	return now-l.doubt.since >= secondLook
}

// lossText is what the coordinator says about a member whose link ended with err.
func lossText(err error, silence time.Duration) error {
	switch {
	case errors.Is(err, transport.ErrProtocol):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: nothing heard from it for %v; its process is stuck or stopped, or its host unreachable", transport.ErrPeerLost, silence)
	case errors.Is(err, errOverflow):
		return fmt.Errorf("%w: %w; its process is stuck", transport.ErrPeerLost, err)
	case errors.Is(err, io.EOF):
	}
	return fmt.Errorf("%w: its process ended, or its connection was cut", transport.ErrPeerLost)
}
