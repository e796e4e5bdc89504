package bootstrap

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// hostile are ways to bother a listener. Each returns when stop is closed or it
// is done with one connection.
var hostile = []func(c net.Conn, record []byte){
	func(c net.Conn, _ []byte) { c.Close() },                                          // knocks and runs
	func(c net.Conn, _ []byte) { time.Sleep(50 * time.Millisecond); c.Close() },       // is mute
	func(c net.Conn, _ []byte) { io.WriteString(c, "GET / HTTP/1.0\r\n\r\n") },        // port scanner
	func(c net.Conn, _ []byte) { b := make([]byte, 500); rand8(b); c.Write(b) },       // noise
	func(c net.Conn, record []byte) { c.Write(record); io.ReadAll(c) },                // replay
	func(c net.Conn, record []byte) { c.Write(record[:introSize]); io.ReadAll(c) },    // half a handshake
	func(c net.Conn, record []byte) { c.Write(record[:20]); time.Sleep(time.Second) }, // less
	func(c net.Conn, record []byte) { // a well-made introduction, and a wrong proof
		b := bytes.Clone(record)
		rand8(b[introSize:])
		c.Write(b)
		io.ReadAll(c)
	},
}

func rand8(b []byte) {
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
}

// flood bothers addr from n goroutines until stop is called, which returns how
// many connections were made.
func flood(t *testing.T, addr string, record []byte, n int) (stop func() int) {
	t.Helper()
	var wg sync.WaitGroup
	var made atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	for i := range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				var d net.Dialer
				dctx, done := context.WithTimeout(ctx, time.Second)
				c, err := d.DialContext(dctx, "tcp", addr)
				done()
				if err != nil {
					time.Sleep(time.Millisecond)
					continue
				}
				made.Add(1)
				c.SetDeadline(time.Now().Add(time.Second))
				end := context.AfterFunc(ctx, func() { c.SetDeadline(past) })
				hostile[i%len(hostile)](c, record)
				end()
				c.Close()
			}
		})
	}
	return func() int {
		cancel()
		wg.Wait()
		return int(made.Load())
	}
}

// recordedDialer is what a member once sent to a root.
func recordedDialer(t *testing.T, secret Secret) []byte {
	t.Helper()
	dial := &tap{}
	in := intro{version: ProtocolVersion, purpose: PurposeRendezvous, from: 1, to: rootRank}
	if _, a, b := shake(dial, &tap{}, secret, secret, in, testDoorman(secret)); a != nil || b != nil {
		t.Fatal(a, b)
	}
	return dial.written.Bytes()
}

// Ranks meet, open links and leave while strangers flood the root and every
// rank's listener.
func TestFlood(t *testing.T) {
	runtime.GC()
	var before, during runtime.MemStats
	runtime.ReadMemStats(&before)
	root, err := NewRoot(context.Background(), RootConfig{Addr: "127.0.0.1:0", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	record := recordedDialer(t, root.cfg.Secret)
	stopRoot := flood(t, root.Addr().String(), record, 64)
	time.Sleep(200 * time.Millisecond)
	began := time.Now()
	world := launch(t, 8, func(_ int, cfg *Config) { cfg.ID = root.ID() })
	met := time.Since(began)
	for r, m := range world {
		if m.err != nil {
			t.Fatalf("rank %d: %v", r, m.err)
		}
	}
	stopRank := flood(t, world[3].session.Addr().String(), record, 64)
	time.Sleep(200 * time.Millisecond)
	began = time.Now()
	checkLinks(t, world)
	linked := time.Since(began)
	runtime.GC()
	runtime.ReadMemStats(&during)
	leaveAll(t, world)
	t.Logf("8 ranks met in %v among %d strangers, opened 56 links in %v among %d; %d KiB of heap and %d KiB of stacks more than before",
		met, stopRoot(), linked, stopRank(), (int64(during.HeapAlloc)-int64(before.HeapAlloc))>>10, (int64(during.StackInuse)-int64(before.StackInuse))>>10)
}
