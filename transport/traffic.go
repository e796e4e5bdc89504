package transport

import (
	"sync"
	"sync/atomic"

	"github.com/monel-dev/monel/internal/publish"
)

// Traffic is how many bytes of payload the links of a mesh have carried so far, headers
// and what the wire adds not counted. A chunk counts where it is sent when it has been
// committed, and where it arrives when its receiver has it.
type Traffic struct {
	Transport      string // the wire's name
	Sent, Received uint64
}

// Metered is a Mesh that counts. Traffic may be called at any time, also after Close, and
// costs the links nothing.
type Metered interface {
	Traffic() []Traffic // one for each wire
}

// Meter counts the bytes of one end of a link. One goroutine at a time adds; any may read.
type Meter struct {
	bytes atomic.Uint64
	_     [56]byte // ends of several goroutines share no cache line
}

// Add counts n bytes. No other goroutine adds, so it needs no locked instruction.
func (m *Meter) Add(n int) { publish.Uint64(&m.bytes, m.bytes.Load()+uint64(n)) }

// Meters are the meters of a mesh's links.
type Meters struct {
	mu             sync.Mutex
	sent, received []*Meter
}

// Sender makes the meter of a sending end.
func (m *Meters) Sender() *Meter { return m.add(&m.sent) }

// Receiver makes the meter of a receiving end.
func (m *Meters) Receiver() *Meter { return m.add(&m.received) }

func (m *Meters) add(to *[]*Meter) *Meter {
	m.mu.Lock()
	defer m.mu.Unlock()
	one := &Meter{}
	*to = append(*to, one)
	return one
}

// Traffic adds up what the links of a wire of that name have carried.
func (m *Meters) Traffic(name string) []Traffic {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := Traffic{Transport: name}
	for _, one := range m.sent {
		t.Sent += one.bytes.Load()
	}
	for _, one := range m.received {
		t.Received += one.bytes.Load()
	}
	return []Traffic{t}
}
