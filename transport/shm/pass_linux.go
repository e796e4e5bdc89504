package shm

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// passTime is how long either side of the passing of a descriptor may take.
const passTime = 5 * time.Second

// maxCallers bounds how many connections a passer serves at once; whoever else
// comes is turned away.
const maxCallers = 16

// passer hands a file to whoever knows the token. Its socket has a name that
// cannot be guessed but that others may see, so the name alone is worth nothing.
type passer struct {
	ln    *net.UnixListener
	f     *os.File
	token nonce
	user  func(uid uint32) bool // whose callers are served
	wg    sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	callers map[*net.UnixConn]struct{}
}

// passFile begins to offer f to processes of this user, and puts into o where.
func passFile(o *offer, f *os.File) (io.Closer, error) { return passFileTo(o, f, allowed) }

func passFileTo(o *offer, f *os.File, user func(uid uint32) bool) (io.Closer, error) {
	var name nonce
	rand.Read(name[:])
	// A name in the abstract namespace is no file and cannot be left behind.
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: "@monel-" + hex.EncodeToString(name[:])})
	if err != nil {
		return nil, err
	}
	p := &passer{ln: ln, f: f, user: user, callers: map[*net.UnixConn]struct{}{}}
	rand.Read(p.token[:])
	o.socket, o.token = ln.Addr().String(), p.token
	p.wg.Go(p.listen)
	return p, nil
}

func (p *passer) listen() {
	for {
		c, err := p.ln.AcceptUnix()
		if err != nil {
			return
		}
		if uid, err := caller(c); err != nil || !p.user(uid) { // names can be read in /proc/net/unix, and callers are few
			c.Close()
			continue
		}
		p.mu.Lock()
		if p.closed || len(p.callers) >= maxCallers {
			c.Close()
		} else {
			p.callers[c] = struct{}{}
			p.wg.Go(func() { p.serve(c) })
		}
		p.mu.Unlock()
	}
}

// caller is the user of the process at the other end of c.
func caller(c *net.UnixConn) (uid uint32, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var who *unix.Ucred
	if errs := raw.Control(func(fd uintptr) {
		who, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); errs != nil || err != nil {
		return 0, errors.Join(errs, err)
	}
	return who.Uid, nil
}

// allowed reports whether a user is this one or root, for nobody else can be meant.
func allowed(uid uint32) bool { return uid == uint32(os.Geteuid()) || uid == 0 }

func (p *passer) serve(c *net.UnixConn) {
	defer func() {
		c.Close()
		p.mu.Lock()
		delete(p.callers, c)
		p.mu.Unlock()
	}()
	_ = c.SetDeadline(time.Now().Add(passTime))
	var token nonce
	if _, err := io.ReadFull(c, token[:]); err != nil || subtle.ConstantTimeCompare(token[:], p.token[:]) != 1 {
		return
	}
	_, _, _ = c.WriteMsgUnix([]byte{1}, unix.UnixRights(int(p.f.Fd())), nil) // the peer reports a failure
}

// Close returns when nothing of the passer is left.
func (p *passer) Close() error {
	p.mu.Lock()
	p.closed = true
	for c := range p.callers {
		c.Close()
	}
	p.mu.Unlock()
	err := p.ln.Close()
	p.wg.Wait()
	return err
}

// receiveFile obtains the file from the passer that o names.
func receiveFile(o *offer) (*os.File, error) {
	if len(o.socket) < 2 || o.socket[0] != '@' {
		return nil, fmt.Errorf("socket name %q is not abstract", o.socket)
	}
	conn, err := net.DialTimeout("unix", o.socket, passTime)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	c := conn.(*net.UnixConn)
	_ = c.SetDeadline(time.Now().Add(passTime))
	if _, err := c.Write(o.token[:]); err != nil {
		return nil, err
	}
	rights := make([]byte, unix.CmsgSpace(4))
	_, n, flags, _, err := c.ReadMsgUnix(make([]byte, 1), rights)
	if err != nil {
		return nil, err
	}
	fds, err := parseRights(rights[:n])
	if err == nil && (len(fds) != 1 || flags&unix.MSG_CTRUNC != 0) {
		err = errors.New("the peer passed no file")
	}
	if err != nil {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
		return nil, err
	}
	return os.NewFile(uintptr(fds[0]), fileName(o.nonce)), nil
}

func parseRights(b []byte) (fds []int, err error) {
	msgs, err := unix.ParseSocketControlMessage(b)
	for i := 0; i < len(msgs) && err == nil; i++ {
		var more []int
		more, err = unix.ParseUnixRights(&msgs[i])
		fds = append(fds, more...)
	}
	return fds, err
}
