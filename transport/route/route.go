// Package route is a transport made of others: each peer is reached over the
// one that suits it, shared memory within a host and sockets beyond, say.
package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/monel-dev/monel/transport"
)

// Mesh reaches each peer over one of several meshes. It implements
// transport.Mesh.
type Mesh struct {
	over   []transport.Mesh // by peer; nil for this rank itself
	meshes []transport.Mesh // the distinct ones, in the order of their first peer
}

var _ transport.Mesh = (*Mesh)(nil)

// New makes a mesh that reaches peer i over over[i], which is nil for this rank
// itself. Meshes that serve no peer are closed with the rest if they are listed
// in spare. All must have the same slot size.
func New(over []transport.Mesh, spare ...transport.Mesh) *Mesh {
	m := &Mesh{over: over}
	for _, mesh := range slices.Concat(over, spare) {
		if mesh != nil && !slices.Contains(m.meshes, mesh) {
			m.meshes = append(m.meshes, mesh)
		}
	}
	return m
}

// Name lists the transports in use: "shm", or "shm+tcp".
func (m *Mesh) Name() string {
	var names []string
	for _, mesh := range m.over {
		if mesh != nil && !slices.Contains(names, mesh.Name()) {
			names = append(names, mesh.Name())
		}
	}
	slices.Sort(names)
	return strings.Join(names, "+")
}

// SlotSize is that of every mesh.
func (m *Mesh) SlotSize() int { return m.meshes[0].SlotSize() }

// Slots is the least of all meshes, since every link holds so many.
func (m *Mesh) Slots() int {
	slots := m.meshes[0].Slots()
	for _, mesh := range m.meshes[1:] {
		slots = min(slots, mesh.Slots())
	}
	return slots
}

// Sender asks the peer's mesh.
func (m *Mesh) Sender(ctx context.Context, peer, channel int) (transport.Sender, error) {
	mesh, err := m.to(peer)
	if err != nil {
		return nil, err
	}
	return mesh.Sender(ctx, peer, channel)
}

// Receiver asks the peer's mesh.
func (m *Mesh) Receiver(ctx context.Context, peer, channel int) (transport.Receiver, error) {
	mesh, err := m.to(peer)
	if err != nil {
		return nil, err
	}
	return mesh.Receiver(ctx, peer, channel)
}

// Register tells the meshes that can make use of it.
func (m *Mesh) Register(memory []byte) {
	for _, mesh := range m.meshes {
		if r, ok := mesh.(transport.Registrar); ok {
			r.Register(memory)
		}
	}
}

// Traffic lists that of all meshes.
func (m *Mesh) Traffic() (all []transport.Traffic) {
	for _, mesh := range m.meshes {
		if counts, ok := mesh.(transport.Metered); ok {
			all = append(all, counts.Traffic()...)
		}
	}
	return all
}

// Keep has all meshes keep it that can make use of it. There is nothing to release if
// none can.
func (m *Mesh) Keep(memory []byte) (release func() error, err error) {
	var releases []func() error
	all := func() error {
		var errs []error
		for _, release := range releases {
			errs = append(errs, release())
		}
		return errors.Join(errs...)
	}
	for _, mesh := range m.meshes {
		k, ok := mesh.(transport.Keeper)
		if !ok {
			continue
		}
		release, err := k.Keep(memory)
		if err != nil {
			return nil, errors.Join(err, all())
		}
		releases = append(releases, release)
	}
	if releases == nil {
		return nil, nil
	}
	return all, nil
}

// RegisterDevice tells the meshes that can make use of it.
func (m *Mesh) RegisterDevice(memory *transport.DeviceMemory) (release func()) {
	var releases []func()
	for _, mesh := range m.meshes {
		if r, ok := mesh.(transport.DeviceRegistrar); ok {
			if release := r.RegisterDevice(memory); release != nil {
				releases = append(releases, release)
			}
		}
	}
	if releases == nil {
		return nil
	}
	return func() {
		for _, release := range releases {
			release()
		}
	}
}

func (m *Mesh) to(peer int) (transport.Mesh, error) {
	if peer < 0 || peer >= len(m.over) || m.over[peer] == nil {
		return nil, fmt.Errorf("route: %w: rank %d is not another rank of this world of %d", transport.ErrInvalid, peer, len(m.over))
	}
	return m.over[peer], nil
}

// Close closes all meshes, side by side, since each may wait for its peers.
func (m *Mesh) Close() error {
	errs := make([]error, len(m.meshes))
	var wg sync.WaitGroup
	for i, mesh := range m.meshes {
		wg.Go(func() { errs[i] = mesh.Close() })
	}
	wg.Wait()
	return errors.Join(errs...)
}
