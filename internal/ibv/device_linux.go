//go:build (amd64 || arm64) && !nocuda

package ibv

import (
	"errors"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Device is an open adapter: a context with one protection domain. Its methods
// may be called from several goroutines.
type Device struct {
	Name string
	lib  *library

	context, pd uintptr
	maxSGE      int
	maxWR       int

	events *os.File // a copy of the context's descriptor for asynchronous events
}

// Open opens the device of that name.
func Open(name string) (*Device, error) {
	l, err := load()
	if err != nil {
		return nil, err
	}
	d := &Device{Name: name, lib: l}
	if err := d.open(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Device) open() error {
	l := d.lib
	l.mu.Lock()
	defer l.mu.Unlock()
	list, err := l.make("", ibvGetDeviceList, l.here())
	if err != nil {
		return err
	}
	defer l.call(ibvFreeDeviceList, list)
	for i := uintptr(0); d.context == 0; i++ {
		device := *at[uintptr](list, i*unsafe.Sizeof(i))
		if device == 0 {
			return &Error{Call: "ibv_get_device_list", Device: d.Name, Errno: syscall.ENODEV}
		}
		if named, _ := l.call(ibvGetDeviceName, device); text(named) == d.Name {
			if d.context, err = l.make(d.Name, ibvOpenDevice, device); err != nil {
				return err
			}
		}
	}
	if d.pd, err = l.make(d.Name, ibvAllocPD, d.context); err != nil {
		return err
	}
	clear(l.scratch[:deviceAttrSize])
	if err := l.do(d.Name, ibvQueryDevice, d.context, l.here()); err != nil {
		return err
	}
	d.maxSGE, d.maxWR = int(*at[int32](l.here(), deviceMaxSGE)), int(*at[int32](l.here(), deviceMaxQPWR))
	d.events, err = pollable(*at[int32](d.context, contextAsyncFD), "events of "+d.Name)
	return err
}

// pollable makes a descriptor of the library never block, and returns a copy
// that the runtime's poller waits on.
func pollable(fd int32, name string) (*os.File, error) {
	if err := unix.SetNonblock(int(fd), true); err != nil {
		return nil, err
	}
	copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(copied), name), nil
}

// StopEvents makes WaitEvent fail with os.ErrClosed, now and from then on.
func (d *Device) StopEvents() {
	if d.events != nil {
		_ = d.events.Close() // a second time, it says that it is closed
	}
}

// Close closes the device. All that was made of it must have been destroyed, and
// nobody may wait for events any more.
func (d *Device) Close() error {
	d.StopEvents()
	var errs []error
	l := d.lib
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.pd != 0 {
		errs = append(errs, l.do(d.Name, ibvDeallocPD, d.pd))
		d.pd = 0
	}
	if d.context != 0 {
		errs = append(errs, l.do(d.Name, ibvCloseDevice, d.context))
		d.context = 0
	}
	return errors.Join(errs...)
}

// Event is something that happened to a device, one of its ports, or one of its
// queues.
type Event struct {
	Type EventType
	Port int // of events of ports
}

// WaitEvent waits for the next asynchronous event, until StopEvents. One
// goroutine may do so.
func (d *Device) WaitEvent() (Event, error) {
	conn, err := d.events.SyscallConn()
	if err != nil {
		return Event{}, err
	}
	var e Event
	var failed error
	err = conn.Read(func(uintptr) bool {
		d.lib.mu.Lock()
		defer d.lib.mu.Unlock()
		raw := zeroed[asyncEvent](d.lib)
		if failed = d.lib.do(d.Name, ibvGetAsyncEvent, d.context, d.lib.here()); failed != nil {
			return !errors.Is(failed, syscall.EAGAIN)
		}
		e.Type = raw.kind
		switch e.Type {
		case EventPortActive, EventPortError, EventLIDChange, EventPKeyChange, EventSMChange, EventClientReregister, EventGIDChange:
			e.Port = int(int32(raw.element))
		}
		d.lib.call(ibvAckAsyncEvent, d.lib.here())
		return true
	})
	return e, errors.Join(err, failed)
}

// Port is the state of a port.
type Port struct {
	Active     bool
	InfiniBand bool // else Ethernet
	MTU        int  // the number that stands for the active MTU: 1 for 256 bytes up to 5 for 4096
	LID        uint16
}

// Port asks for the state of a port.
func (d *Device) Port(number int) (Port, error) {
	d.lib.mu.Lock()
	defer d.lib.mu.Unlock()
	a := zeroed[portAttr](d.lib)
	if err := d.lib.do(d.Name, ibvQueryPort, d.context, uintptr(number), d.lib.here()); err != nil {
		return Port{}, err
	}
	return Port{Active: a.state == portActive, InfiniBand: a.linkLayer == linkInfiniBand, MTU: int(a.activeMTU), LID: a.lid}, nil
}

// MaxSGE is the most pieces of memory that one work request may have.
func (d *Device) MaxSGE() int { return d.maxSGE }
