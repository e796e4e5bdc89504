package engine

import (
	"errors"
	"slices"
	"sync"
)

// inStore is how many kits UseDevice has a device keep in store, for as many communicators
// that are made while others wait for each other on streams; a variable for tests.
var inStore = 4

// gpuStore has the kits of a device that no communicator has. It is filled, and what is too
// much is freed, while no agent of this process is on the device, so that the driver waits
// for none; until that is done, none begins.
type gpuStore struct {
	mu     sync.Mutex
	kits   []*gpuKit
	agents int  // put on streams and not told to end
	busy   bool // the driver allocates or frees
}

// take is a kit of the store, or a new one, for which the driver may wait for all that is
// on the device.
func (s *sharedGPU) take(chunk int) (*gpuKit, error) {
	s.store.mu.Lock()
	for i, k := range s.store.kits {
		if k.chunk == chunk {
			last := len(s.store.kits) - 1
			s.store.kits[i] = s.store.kits[last]
			s.store.kits = s.store.kits[:last]
			s.store.mu.Unlock()
			return k, nil
		}
	}
	s.store.mu.Unlock()
	return s.newKit(chunk)
}

// stock fills the store with kits for chunks of so many bytes, if it can be done without
// waiting for agents. What fails is no news yet: whoever finds no kit tries again.
func (s *sharedGPU) stock(chunk int) {
	for s.store.count(chunk) < inStore && s.store.rest() {
		k, err := s.newKit(chunk)
		s.store.goOn(k)
		if err != nil {
			return
		}
	}
}

// giveBack puts a kit that nothing uses any more into the store, and frees what is too much
// there if that can be done without waiting for agents: also what has come when it could
// not.
func (s *sharedGPU) giveBack(k *gpuKit) error {
	s.store.add(k)
	var errs []error
	for spare := s.store.spare(k.chunk); spare != nil; spare = s.store.spare(k.chunk) {
		errs = append(errs, s.discard(spare))
		s.store.goOn(nil)
	}
	return errors.Join(errs...)
}

// clear frees what is in store, when nobody uses the device any more.
func (s *sharedGPU) clear() error {
	var errs []error
	for _, k := range s.store.kits {
		errs = append(errs, s.discard(k))
	}
	return errors.Join(errs...)
}

// count is how many kits for chunks of so many bytes there are.
func (t *gpuStore) count(chunk int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.countLocked(chunk)
}

func (t *gpuStore) countLocked(chunk int) (n int) {
	for _, k := range t.kits {
		if k.chunk == chunk {
			n++
		}
	}
	return n
}

func (t *gpuStore) add(k *gpuKit) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kits = append(t.kits, k)
}

// spare takes a kit out of the store that is too much there, to be freed before goOn, or
// returns nil while agents are on the device.
func (t *gpuStore) spare(chunk int) *gpuKit {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.countLocked(chunk) <= inStore || t.agents > 0 || t.busy {
		return nil
	}
	t.busy = true
	i := slices.IndexFunc(t.kits, func(k *gpuKit) bool { return k.chunk == chunk })
	k := t.kits[i]
	t.kits = slices.Delete(t.kits, i, i+1)
	return k
}

// rest reports whether no agent is on the device, and keeps them away until goOn.
func (t *gpuStore) rest() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.agents > 0 || t.busy {
		return false
	}
	t.busy = true
	return true
}

// goOn lets agents begin again, and adds a kit, unless it is nil.
func (t *gpuStore) goOn(k *gpuKit) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.busy = false
	if k != nil {
		t.kits = append(t.kits, k)
	}
}

// resting reports whether agents are kept away.
func (t *gpuStore) resting() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.busy
}

// enter counts an agent that is about to be put on a stream, unless they are kept away.
func (t *gpuStore) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.busy {
		return false
	}
	t.agents++
	return true
}

// exit counts one less: it has been told to end, or did not come to its stream.
func (t *gpuStore) exit() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.agents--
}
