package strangers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/monel-dev/monel/engine"
)

// record returns what a member sends to the root of a job with a secret, as somebody on
// the way between them would see it.
func record(secret []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	root, err := freeAddr()
	if err != nil {
		return nil, err
	}
	tap, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer tap.Close()
	seen := &tape{}
	go forward(tap, root, seen)
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for rank, addr := range []string{root, tap.Addr().String()} {
		wg.Go(func() {
			var c *engine.Comm
			if c, errs[rank] = engine.Init(ctx, engine.Config{Rank: rank, Size: 2, Root: addr, Secret: secret}); errs[rank] == nil {
				errs[rank] = c.Close()
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("recording a connection: %w", err)
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if seen.Len() == 0 {
		return nil, errors.New("recording a connection: nothing was sent")
	}
	return seen.Bytes(), nil
}

type tape struct {
	mu sync.Mutex
	bytes.Buffer
}

func (t *tape) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Buffer.Write(p)
}

// forward passes one connection on, and tapes what is sent by who made it.
func forward(ln net.Listener, to string, seen *tape) {
	for {
		from, err := ln.Accept()
		if err != nil {
			return
		}
		there, err := net.Dial("tcp", to)
		if err != nil { // the root is not there yet; its member dials again
			from.Close()
			continue
		}
		go copyAll(from, there, nil)
		copyAll(there, from, seen)
	}
}

// copyAll passes on what comes until it ends.
func copyAll(to, from net.Conn, seen *tape) {
	defer to.Close()
	p := make([]byte, 4096)
	for {
		n, err := from.Read(p)
		if seen != nil {
			seen.Write(p[:n])
		}
		if _, e := to.Write(p[:n]); e != nil || err != nil {
			return
		}
	}
}

// freeAddr is an address of this host where nobody listens.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}
