package doctor

import (
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport/bootstrap"
	"github.com/monel-dev/monel/transport/rdma"
	"github.com/monel-dev/monel/transport/shm"
)

// System is a machine to look at; This is the real one.
type System struct {
	Program   string
	Processor string
	Cores     int
	Root      string // of the files, / of the real one
	Env       func(name string) string

	Kernels    func() (active string, supported []string)
	Driver     func() (*cudaffi.Driver, error)
	Interfaces func() ([]Interface, error)
	// Addresses are what is offered to other hosts, if NCCL_SOCKET_IFNAME is selection.
	Addresses func(selection string) ([]netip.Addr, error)
	Load      func(library string) error // whether a shared library can be loaded
	// Ports are the RDMA ports that may be used, the best first.
	Ports func(rdma.Settings) ([]string, error)
	// Direct is how they read the memory of the GPU at a place of the PCI bus, whose
	// driver exports it or not.
	Direct       func(settings rdma.Settings, gpu string, exports bool) (string, error)
	SharedMemory func() error // why processes cannot share memory
	Memfd        func() error
	Space        func(folder string) (size, free int64, err error) // of a file system, in bytes
}

// This is the machine that the program runs on.
func This(program, processor string, cores int) System {
	return System{
		Program: program, Processor: processor, Cores: cores, Root: "/", Env: os.Getenv,
		Kernels: strided.Kernels, Driver: cudaffi.Default, Interfaces: interfaces,
		Addresses: func(selection string) ([]netip.Addr, error) { return bootstrap.HostAddrs(selection, math.MaxInt) },
		Load:      load, Ports: ports, Direct: rdma.DirectWay,
		SharedMemory: shm.Available, Memfd: memfd, Space: space,
	}
}

// Look examines the machine. What cannot be found out counts as lacking, with
// the reason.
func (s System) Look() Report {
	gpus := s.gpus()
	return Report{
		Program: s.Program, Kernels: s.kernels(), GPUs: gpus, Network: s.network(), RDMA: s.rdma(gpus.Found), Memory: s.memory(),
	}
}

func (s System) file(parts ...string) string {
	return filepath.Join(append([]string{s.Root}, parts...)...)
}

// interfaces lists those of this machine that are up.
func interfaces() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var up []Interface
	for _, one := range all {
		if one.Flags&net.FlagUp == 0 {
			continue
		}
		found := Interface{Name: one.Name}
		addresses, err := one.Addrs()
		if err != nil {
			return nil, err
		}
		for _, a := range addresses {
			found.Addresses = append(found.Addresses, a.String())
		}
		if found.Addresses != nil {
			up = append(up, found)
		}
	}
	return up, nil
}
