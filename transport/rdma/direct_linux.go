//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
)

// way is how an adapter gets at a GPU's memory.
type way uint8

const (
	noWay way = iota
	byDMABuf
	byPeerMemory
)

func (w way) String() string { return [...]string{"none", "dma-buf", "peer memory"}[w] }

// peerModules are where the kernel says that it has a module which knows addresses of
// GPUs: NVIDIA's own, and the ones that came before.
var peerModules = []string{
	"module/nvidia_peermem/version", "kernel/mm/memory_peers/nv_mem/version", "kernel/mm/memory_peers/nv_mem_nc/version",
}

// sysfs is where the kernel describes the machine; a variable for tests.
var sysfs = "/sys"

// wayTo finds out how a device can read the memory of a GPU, whose driver exports dma-bufs
// or not. Without a way, the error says why.
func (s *Settings) wayTo(gpu string, exports bool, d *ibv.Device) (way, error) {
	if s.CopyGPU {
		return noWay, errors.New("NCCL_NET_GDR_READ is 0")
	}
	if far := between(sysfs, gpu, d.Name); far > s.DirectWithin {
		return noWay, fmt.Errorf("GPU %s and %s are %v from each other and NCCL_NET_GDR_LEVEL allows %v", gpu, d.Name, far, s.DirectWithin)
	}
	var why error
	switch {
	case s.NoDMABuf:
		why = errors.New("NCCL_DMABUF_ENABLE is 0")
	case !exports:
		why = errors.New("the CUDA driver has no dma-bufs: that takes 11.7, Linux 5.12 and the open kernel modules")
	default:
		if why = d.CanRegisterDMABuf(); why == nil {
			return byDMABuf, nil
		}
	}
	for _, module := range peerModules {
		if _, err := os.Stat(filepath.Join(sysfs, module)); err == nil {
			return byPeerMemory, nil
		}
	}
	return noWay, fmt.Errorf("no dma-buf (%w), and the kernel module nvidia_peermem is not loaded", why)
}

// DirectWay says how the adapters read the memory of the GPU at a place of the PCI bus,
// "dma-buf" or "peer memory"; exports says that its driver has dma-bufs. If they do not,
// the error wraps transport.ErrUnavailable and says why, for each port that is used.
func DirectWay(s Settings, gpu string, exports bool) (string, error) {
	found, err := Find(s)
	if err != nil {
		return "", err
	}
	s.fill()
	nics, err := openNICs(s.rails(found, 0))
	if err != nil {
		return "", err
	}
	var names, why []string
	for _, n := range nics {
		w, err := s.wayTo(gpu, exports, n.device)
		if err != nil {
			why = append(why, err.Error())
		}
		names = append(names, w.String())
	}
	if err := closeNICs(nics); err != nil {
		return "", because(err)
	}
	if len(why) > 0 {
		return "", &IndirectError{strings.Join(why, "; ")}
	}
	return names[0], nil
}

// directKey is a pair that is probed once.
type directKey struct {
	gpu    string
	device *ibv.Device
}

// way is wayTo, remembered. The registry's mutex asking is held.
func (r *registry) way(m *transport.DeviceMemory, d *ibv.Device) way {
	key := directKey{m.PCI, d}
	w, known := r.ways[key]
	if known {
		return w
	}
	w, err := r.settings.wayTo(m.PCI, m.Export != nil, d)
	if r.ways == nil {
		r.ways = map[directKey]way{}
	}
	r.ways[key] = w
	if err == nil {
		r.debug("memory of a GPU is sent from where it lies", "gpu", m.PCI, "device", d.Name, "way", w.String())
	} else {
		r.debug("memory of a GPU is sent through the host's", "gpu", m.PCI, "device", d.Name, "reason", err)
	}
	return w
}
