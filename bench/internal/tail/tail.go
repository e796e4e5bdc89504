// Package tail keeps the end of what a process says, to be quoted when it fails.
package tail

import (
	"bytes"
	"sync"
)

// Bytes is how much is kept.
const Bytes = 4 << 10

// Writer keeps the last of what is written to it. It may be used by several
// goroutines.
type Writer struct {
	mu   sync.Mutex
	last []byte
}

// Write never fails.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = append(w.last, p...)
	w.last = w.last[max(0, len(w.last)-Bytes):]
	return len(p), nil
}

// Text is what is kept, without space around it.
func (w *Writer) Text() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.TrimSpace(bytes.Clone(w.last))
}
