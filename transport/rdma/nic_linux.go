//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
)

// flapTime is how long a port may be down before its links fail. What is sent
// meanwhile is repeated by the adapters.
const flapTime = 3 * time.Second

// nic is a port that the mesh uses, on an open device.
type nic struct {
	Choice
	device *ibv.Device
	// software: there is nothing on a bus behind the device.
	software bool
	state    ibv.Port
	failed   atomic.Pointer[PortError]
}

// openNICs opens the devices of the ports. Ports of one device share it.
func openNICs(rails []Choice) ([]*nic, error) {
	var nics []*nic
	for _, choice := range rails {
		n := &nic{Choice: choice, software: isSoftware(sysfs, choice.Device)}
		nics = append(nics, n)
		for _, other := range nics {
			if other.Device == n.Device {
				n.device = other.device
			}
		}
		var err error
		if n.device == nil {
			n.device, err = ibv.Open(n.Device)
		}
		if err == nil {
			n.state, err = n.device.Port(n.Number)
		}
		if err == nil && !n.state.Active {
			err = unavailable(n.Name()+" is down", "connect its cable, or bring its network device up")
		}
		if err != nil {
			return nil, errors.Join(because(err), closeNICs(nics))
		}
	}
	return nics, nil
}

// inWords reports whether ports of a machine write aligned words to memory as a cell needs
// it. Adapters on a bus do. One made of software copies with the processor, by whatever
// code the kernel has: an amd64 processor shows stores in the order in which it makes
// them, and the kernel copies upwards. Others do not, and where a kernel aligns its loads
// (arm64 before Linux 5.14), or copies by an instruction that promises nothing, a word's
// halves may come in two stores.
func inWords(arch string, ports []*nic) bool {
	return arch == "amd64" || !slices.ContainsFunc(ports, func(n *nic) bool { return n.software })
}

// isSoftware reports whether a device is made of software, by sysfs, which is at root.
func isSoftware(root, device string) bool {
	_, err := os.Stat(filepath.Join(root, "class/infiniband", device, "device"))
	return errors.Is(err, fs.ErrNotExist)
}

// devices are the distinct devices.
func devices(nics []*nic) []*ibv.Device {
	var all []*ibv.Device
	for _, n := range nics {
		if n.device != nil && !slices.Contains(all, n.device) {
			all = append(all, n.device)
		}
	}
	return all
}

func closeNICs(nics []*nic) error {
	var errs []error
	for _, d := range devices(nics) {
		errs = append(errs, d.Close())
	}
	return errors.Join(errs...)
}

// watch follows a device's events until StopEvents.
func (m *Mesh) watch(d *ibv.Device) {
	down := map[int]*time.Timer{}
	defer func() {
		for _, timer := range down {
			timer.Stop()
		}
	}()
	for {
		e, err := d.WaitEvent()
		if err != nil {
			if m.ctx.Err() == nil {
				m.failPort(d, 0, fmt.Sprintf("its events cannot be read: %v", err))
			}
			return
		}
		switch e.Type {
		case ibv.EventPortError:
			if down[e.Port] == nil {
				down[e.Port] = time.AfterFunc(flapTime, func() { m.failPort(d, e.Port, e.Type.String()) })
			}
		case ibv.EventPortActive:
			if timer := down[e.Port]; timer != nil {
				timer.Stop()
				delete(down, e.Port)
			}
		case ibv.EventDeviceFatal:
			m.failPort(d, 0, e.Type.String())
		case ibv.EventCQError:
			m.failPort(d, 0, e.Type.String())
		}
		// The events of queue pairs come with a completion that says more.
	}
}

// failPort fails the links over a port, or over all ports of the device if it is 0.
func (m *Mesh) failPort(d *ibv.Device, port int, what string) {
	for _, n := range m.nics {
		if n.device == d && (port == 0 || port == n.Number) {
			n.failed.CompareAndSwap(nil, &PortError{n.Name(), what})
		}
	}
	m.ring(nil)
}

// address is how the other side reaches a queue pair on this port.
func (n *nic) address(qpn, psn uint32) address {
	a := address{infiniBand: n.InfiniBand, mtu: uint8(n.state.MTU), lid: n.state.LID, qpn: qpn, psn: psn}
	a.gid = n.GID.Address.As16()
	return a
}

// connect makes a queue pair of this port work with the one at the address.
func (n *nic) connect(qp *ibv.QP, psn uint32, to *address, s *Settings) error {
	if to.infiniBand != n.InfiniBand {
		return fmt.Errorf("rdma: %w between them: %s is on the other kind of network", transport.ErrUnavailable, n.Name())
	}
	err := qp.Receive(ibv.Path{
		Port: n.Number, GIDIndex: n.GID.Index, Global: !n.InfiniBand, GID: to.gid, LID: to.lid, QPN: to.qpn, PSN: to.psn,
		MTU: min(n.state.MTU, int(to.mtu)), TrafficClass: s.TrafficClass, ServiceLevel: s.ServiceLevel,
	})
	if err != nil {
		return because(err)
	}
	return because(qp.Send(psn, attributeOf(s.Timeout), attributeOf(s.Retries)))
}
