//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
)

// deviceRegistry is a registry of an adapter that takes dma-bufs, as far as it is never
// handed one.
func deviceRegistry(gpu string) *registry {
	d := &ibv.Device{Name: "card"}
	return &registry{nics: []*nic{{device: d}}, settings: &Settings{}, ways: map[directKey]way{{gpu, d}: byDMABuf}}
}

// TestDriverThatBlocks: while a GPU's driver keeps the registration of an allocation
// waiting, because a stream is full that waits for a collective, the collective goes on:
// it lends what is registered and gives it back, and calls find what is registered.
func TestDriverThatBlocks(t *testing.T) {
	const gpu = "0000:01:00.0"
	refusal := errors.New("no dma-buf")
	for name, memory := range map[string]func(inDriver chan<- struct{}, goOn <-chan struct{}) *transport.DeviceMemory{
		"Export": func(inDriver chan<- struct{}, goOn <-chan struct{}) *transport.DeviceMemory {
			return &transport.DeviceMemory{
				Current: func(uint64) uint64 { return 7 },
				Export: func(uint64, int64) (int, error) {
					inDriver <- struct{}{}
					<-goOn
					return -1, refusal
				},
			}
		},
		"Current": func(inDriver chan<- struct{}, goOn <-chan struct{}) *transport.DeviceMemory {
			return &transport.DeviceMemory{
				Current: func(uint64) uint64 {
					inDriver <- struct{}{}
					<-goOn
					return 7
				},
				Export: func(uint64, int64) (int, error) { return -1, refusal },
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := deviceRegistry(gpu)
			there := &region{lo: 1 << 20, hi: 2 << 20, buffer: 7}
			r.regions = []*region{there}
			inDriver, goOn, registered := make(chan struct{}), make(chan struct{}), make(chan *region)
			m := memory(inDriver, goOn)
			m.PCI, m.Buffer, m.Base, m.Bytes = gpu, 8, 4<<20, leastRegion
			go func() { registered <- r.registerDevice(m) }()
			<-inDriver
			known := *m
			known.Buffer = 7
			require.Same(t, there, r.registerDevice(&known))
			require.Equal(t, 1, there.held)
			require.Same(t, there, r.borrow(func() *region { return r.deviceRegion(7, 1<<20, mostInline+1) }))
			r.open.Add(-1)
			require.Nil(t, r.find(make([]byte, 1)))
			close(goOn)
			require.Nil(t, <-registered)
			require.True(t, r.refused[8])
			require.Equal(t, []*region{there}, r.regions)
		})
	}
}

// TestSweepLooksAgain: what a call has got hold of while the driver was asked about it, or
// a request reads, is not given back.
func TestSweepLooksAgain(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(r *registry, g *region)
		left      int
	}{
		"freed": {func(*registry, *region) {}, 0},
		"held":  {func(r *registry, _ *region) { r.holdDevice(7) }, 1},
		"read":  {func(r *registry, _ *region) { r.open.Add(1) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := &registry{regions: []*region{{lo: 1 << 20, hi: 2 << 20, buffer: 7}}}
			m := &transport.DeviceMemory{Current: func(address uint64) uint64 {
				require.Equal(t, uint64(1<<20), address)
				c.meanwhile(r, r.regions[0])
				return 0
			}}
			r.asking.Lock()
			r.sweepDevices(m)
			r.asking.Unlock()
			require.Len(t, r.regions, c.left)
		})
	}
}

// TestCloseDuringRegistration: Close waits for a registration that is with the driver, and
// nothing of it is left.
func TestCloseDuringRegistration(t *testing.T) {
	r := &registry{settings: &Settings{}}
	r.asking.Lock() // a registration is with the driver
	closed := make(chan struct{})
	go func() { r.close(); close(closed) }()
	require.Eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.closed
	}, 10*time.Second, time.Millisecond)
	select {
	case <-closed:
		t.Fatal("closed before the registration has ended")
	default:
	}
	r.asking.Unlock()
	<-closed
	require.Nil(t, r.registerDevice(&transport.DeviceMemory{Buffer: 7, Bytes: leastRegion}))
}
