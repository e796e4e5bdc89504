package engine

import (
	"fmt"
	"sync"
	"time"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/inproc"
)

// NewLocal makes a communicator whose ranks are goroutines of this process: the
// i-th result is rank i's. It needs no network and no clock and is meant for
// tests, simulation and examples. Of cfg, the settings of the data path count;
// Rank, Size, ID, Root, Secret and Transport are ignored.
//
// Each rank must be used by a goroutine of its own, since a collective returns
// only when all ranks have called it.
func NewLocal(size int, cfg Config) ([]*Comm, error) {
	if size < 1 {
		return nil, &ArgumentError{Call: "init", Argument: "size", Err: fmt.Errorf("%d ranks; at least 1 is needed", size)}
	}
	cfg.Rank, cfg.Size, cfg.ID = 0, size, UniqueID{}
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	cfg.reportEnvironment()
	meshes := inproc.NewWorld(size, inproc.Options{SlotSize: cfg.ChunkBytes, Slots: ringDepth})
	hub := &localHub{done: make(chan struct{})}
	for rank := range size {
		hub.comms = append(hub.comms, newComm(rank, size, cfg))
	}
	for rank, c := range hub.comms {
		c.oneHost = true
		c.family.place = &localPlace{hub, rank}
		var mesh transport.Mesh = meshes[rank]
		if cfg.between != nil {
			mesh = cfg.between(rank, mesh)
		}
		c.start(cfg.checked(rank, mesh), &localControl{hub: hub, rank: rank}, nil)
	}
	return hub.comms, nil
}

// localHub is the control plane of ranks that share a process.
type localHub struct {
	comms []*Comm
	done  chan struct{}

	mu    sync.Mutex
	cause error
}

func (h *localHub) fail(cause error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cause == nil {
		h.cause = cause
		close(h.done)
	}
}

// localControl is one rank's access to the hub.
type localControl struct {
	hub  *localHub
	rank int
}

func (l *localControl) Send(to int, payload []byte) error {
	if !l.hub.comms[to].inbox.put(message{l.rank, payload}) {
		err := l.hub.comms[to].closedError()
		l.hub.fail(err)
		return err
	}
	return nil
}

func (l *localControl) Fail(cause error) { l.hub.fail(cause) }

// Desert has nobody to give up: ranks of one process stop together.
func (l *localControl) Desert(time.Duration) bool { return false }

func (l *localControl) Done() <-chan struct{} { return l.hub.done }

func (l *localControl) Err() error {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	return l.hub.cause
}

// Leave and Close do nothing: what was sent stays readable, the mesh tells
// ranks that need more of this one, and Send those that need its verdict.
func (l *localControl) Leave(<-chan struct{}) {}

func (l *localControl) Close() error { return nil }
