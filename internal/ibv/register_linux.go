//go:build (amd64 || arm64) && !nocuda

package ibv

import (
	"errors"
	"syscall"
	"unsafe"
)

// MR is memory that the device may access.
type MR struct {
	LKey, RKey uint32
	device     *Device
	handle     uintptr
}

// Register lets the device read memory, and with remote write it, for peers, too.
// The memory must stay where it is until Deregister. Errors wrap the errno;
// syscall.ENOMEM says that more memory may not be locked.
func (d *Device) Register(b []byte, remote bool) (*MR, error) {
	access := uintptr(0)
	if remote {
		access = accessLocalWrite | accessRemoteWrite
	}
	d.lib.mu.Lock()
	defer d.lib.mu.Unlock()
	return d.registered(d.lib.make(d.Name, ibvRegMR, d.pd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), access))
}

// RegisterAt lets the device read n bytes at an address that is not one of the host's
// memory, but of a GPU's: the kernel module for peer memory knows it.
func (d *Device) RegisterAt(address uint64, n int64) (*MR, error) {
	d.lib.mu.Lock()
	defer d.lib.mu.Unlock()
	return d.registered(d.lib.make(d.Name, ibvRegMR, d.pd, uintptr(address), uintptr(n), 0))
}

// RegisterDMABuf lets the device read the first n bytes of a dma-buf, to which requests
// refer by addresses from iova on. The descriptor may be closed afterwards.
func (d *Device) RegisterDMABuf(fd int, n int64, iova uint64) (*MR, error) {
	d.lib.mu.Lock()
	defer d.lib.mu.Unlock()
	if d.lib.fn[ibvRegDMABufMR] == 0 {
		return nil, &Error{Call: symbolNames[ibvRegDMABufMR], Device: d.Name, Errno: syscall.EOPNOTSUPP}
	}
	return d.registered(d.lib.make(d.Name, ibvRegDMABufMR, d.pd, 0, uintptr(n), uintptr(iova), uintptr(fd), 0))
}

// CanRegisterDMABuf returns nil if the device takes dma-bufs, and why not otherwise: it
// is asked with a descriptor that is none, which those do not look at that cannot.
func (d *Device) CanRegisterDMABuf() error {
	mr, err := d.RegisterDMABuf(-1, 0, 0)
	switch {
	case err == nil:
		return mr.Deregister() // it took nothing for something
	case errors.Is(err, syscall.EBADF):
		return nil
	}
	return err
}

// registered makes an MR of the handle that a call has returned.
func (d *Device) registered(handle uintptr, err error) (*MR, error) {
	if err != nil {
		return nil, err
	}
	return &MR{LKey: *at[uint32](handle, mrLKey), RKey: *at[uint32](handle, mrRKey), device: d, handle: handle}, nil
}

// Deregister ends the registration.
func (m *MR) Deregister() error {
	l := m.device.lib
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.do(m.device.Name, ibvDeregMR, m.handle)
}
