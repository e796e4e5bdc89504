package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/monel-dev/monel/transport/rdma"
)

// verbs is the library through which programs use RDMA devices.
const verbs = "libibverbs.so.1"

func (s System) rdma(gpus []GPU) RDMA {
	r := RDMA{Library: s.Load(verbs) == nil, Devices: []RDMADevice{}, Chosen: []string{}, GPUs: []Direct{}, Lacks: []Lack{}}
	devices, _ := os.ReadDir(s.file("sys/class/infiniband")) // no folder, no device
	for _, d := range devices {
		device := RDMADevice{Name: d.Name(), Ports: []RDMAPort{}}
		ports, _ := os.ReadDir(s.file("sys/class/infiniband", d.Name(), "ports"))
		for _, p := range ports {
			folder := s.file("sys/class/infiniband", d.Name(), "ports", p.Name())
			_, state, found := strings.Cut(attribute(folder, "state"), ": ")
			if !found {
				state = "unknown"
			}
			device.Ports = append(device.Ports, RDMAPort{
				Number: p.Name(), State: state, Link: attribute(folder, "link_layer"), Rate: attribute(folder, "rate"),
			})
		}
		r.Devices = append(r.Devices, device)
	}
	if len(r.Devices) == 0 {
		r.Lacks = append(r.Lacks, Lack{
			"there is no RDMA device in /sys/class/infiniband",
			"if this machine has such an adapter, load its kernel module (mlx5_ib for Mellanox's); any network card can play one: rdma link add rxe0 type rxe netdev eth0",
		})
	} else if open, _ := filepath.Glob(s.file("dev/infiniband/uverbs*")); open == nil {
		r.Lacks = append(r.Lacks, Lack{
			"programs have no access to the RDMA devices: there is no /dev/infiniband/uverbs0",
			"load the kernel module ib_uverbs; start containers with --device /dev/infiniband",
		})
	}
	if !r.Library {
		r.Lacks = append(r.Lacks, Lack{verbs + " is not installed", "on Debian: apt-get install libibverbs1 ibverbs-providers"})
	}
	if len(r.Lacks) == 0 {
		chosen, err := s.Ports(rdma.FromEnv(s.Env))
		if err != nil {
			r.Lacks = append(r.Lacks, Lack{What: err.Error()})
		}
		r.Chosen = append(r.Chosen, chosen...)
	}
	if len(r.Chosen) > 0 {
		for _, g := range gpus {
			direct := Direct{Ordinal: g.Ordinal}
			way, err := s.Direct(rdma.FromEnv(s.Env), g.PCI, g.DMABuf)
			if direct.Way = way; err != nil {
				direct.Why = err.Error()
			}
			r.GPUs = append(r.GPUs, direct)
		}
	}
	return r
}

// ports says which ports are chosen, after trying whether they can be used with as
// much registered memory as a rank needs at least.
func ports(settings rdma.Settings) ([]string, error) {
	chosen, err := rdma.Find(settings)
	if err != nil {
		return nil, err
	}
	if _, err := rdma.Probe(settings, 2*rdma.LinkBytes(rdma.DefaultSlotSize, rdma.DefaultSlots)); err != nil {
		return nil, err
	}
	var names []string
	for _, c := range chosen {
		kind := c.GID.Type
		if c.InfiniBand {
			kind = "InfiniBand"
		}
		names = append(names, fmt.Sprintf("%s, %g Gbit/s, GID %d: %v, %s", c.Name(), c.GbitPerS, c.GID.Index, c.GID.Address.Unmap(), kind))
	}
	return names, nil
}

// attribute is the content of one of sysfs's small files.
func attribute(folder, name string) string {
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}
