//go:build linux || darwin

package tcp

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// socket is a connection's descriptor, in nobody's hands but ours. The runtime's
// poller does not know it: that would wake a thread of the process with every
// segment that arrives, for nobody, on a core that a rank is polling on. Whoever
// has to sleep does so in poll(2), and is woken by the kernel directly.
type socket struct {
	// use is held for reading while the descriptor is used, and for writing when
	// it is closed, so that its number cannot be another file's meanwhile.
	use    sync.RWMutex
	fd     int
	closed atomic.Bool
	end    sync.Once

	// alarm is a pipe that ends sleeps; made when somebody first sleeps for long.
	alarmed  sync.Mutex
	alarm    [2]int
	hasAlarm bool
}

// takeSocket takes the descriptor from a connection, which is closed, also when
// there is an error.
func takeSocket(conn *net.TCPConn) (*socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	s := new(socket)
	failed := raw.Control(func(fd uintptr) {
		// The copy shares the original's settings, O_NONBLOCK among them.
		s.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err := errors.Join(failed, err, conn.Close()); err != nil {
		if failed == nil && s.fd > 0 {
			_ = unix.Close(s.fd)
		}
		return nil, err
	}
	return s, nil
}

// enter returns the descriptor, to be used until leave; not after close.
func (s *socket) enter() (fd int, ok bool) {
	s.use.RLock()
	if s.closed.Load() {
		s.use.RUnlock()
		return 0, false
	}
	return s.fd, true
}

func (s *socket) leave() { s.use.RUnlock() }

func (s *socket) isClosed() bool { return s.closed.Load() }

// napTime is how long a sleep lasts that nothing but the socket can end. Most
// end sooner, and are spared the cost of being interruptible; what would have
// interrupted them is noticed so much later.
const napTime = 2 // milliseconds

// sleep returns when the socket is ready for events or has failed, which using
// it tells; with errInterrupted when ctx ends, and net.ErrClosed on close.
func (s *socket) sleep(ctx context.Context, fd int, events int16) error {
	fds := [2]unix.PollFd{{Fd: int32(fd), Events: events}}
	if ready, err := pollFor(fds[:1], napTime); ready || err != nil {
		return err
	}
	patience := -1
	alarm, err := s.alarmEnd()
	if err != nil { // no descriptors are left, which is not the peer's fault
		alarm, patience = -1, 10*napTime
	}
	fds[1] = unix.PollFd{Fd: int32(alarm), Events: unix.POLLIN}
	defer context.AfterFunc(ctx, s.wake)()
	for {
		switch {
		case s.isClosed():
			return net.ErrClosed
		case ctx.Err() != nil:
			return errInterrupted
		}
		ready, err := pollFor(fds[:], patience)
		if err != nil {
			return err
		}
		if ready && fds[1].Revents != 0 { // perhaps from a sleep before this one
			var ring [16]byte
			_, _ = unix.Read(alarm, ring[:])
		}
		if fds[0].Revents != 0 {
			return nil
		}
	}
}

// pollFor reports whether any of fds is ready within so many milliseconds.
func pollFor(fds []unix.PollFd, milliseconds int) (bool, error) {
	n, err := unix.Poll(fds, milliseconds)
	if err == unix.EINTR {
		return false, nil
	}
	return n > 0, err
}

// alarmEnd is the end of the alarm to watch.
func (s *socket) alarmEnd() (int, error) {
	s.alarmed.Lock()
	defer s.alarmed.Unlock()
	if !s.hasAlarm {
		if err := makePipe(&s.alarm); err != nil {
			return 0, err
		}
		s.hasAlarm = true
	}
	return s.alarm[0], nil
}

// wake ends whoever's sleep.
func (s *socket) wake() {
	s.alarmed.Lock()
	defer s.alarmed.Unlock()
	if s.hasAlarm {
		_, _ = unix.Write(s.alarm[1], []byte{1}) // a full pipe wakes as well
	}
}

// close wakes whoever sleeps, waits until nobody uses the descriptor, and closes
// it. Whoever closes it again waits for the same.
func (s *socket) close() { s.end.Do(s.reallyClose) }

func (s *socket) reallyClose() {
	s.closed.Store(true)
	s.wake()
	s.use.Lock()
	defer s.use.Unlock()
	_ = unix.Close(s.fd)
	s.alarmed.Lock()
	defer s.alarmed.Unlock()
	if s.hasAlarm {
		s.hasAlarm = false
		_ = unix.Close(s.alarm[0])
		_ = unix.Close(s.alarm[1])
	}
}
