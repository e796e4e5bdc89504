package ibv

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrUnavailable: the library, a device or a function of it is not there.
var ErrUnavailable = errors.New("RDMA is not available")

// Error is a call of the library that failed.
type Error struct {
	Call   string // the library's function
	Device string // empty if it is about none
	Errno  syscall.Errno
}

func (e *Error) Error() string {
	on := ""
	if e.Device != "" {
		on = " on " + e.Device
	}
	text := fmt.Sprintf("%s%s: %v", e.Call, on, e.Errno)
	if remedy := e.Remedy(); remedy != "" {
		text += ": " + remedy
	}
	return text
}

// Unwrap returns the errno.
func (e *Error) Unwrap() error { return e.Errno }

// Remedy is what may help, empty if nothing is known.
func (e *Error) Remedy() string {
	switch {
	case e.Call == "ibv_reg_dmabuf_mr" && e.Errno == syscall.EOPNOTSUPP:
		return "this adapter, its kernel driver or this libibverbs takes no dma-bufs: use Linux 5.12 or newer and rdma-core 34 or newer, or load the kernel module nvidia_peermem"
	case e.Errno == syscall.ENOMEM:
		return "too little memory may be locked: raise ulimit -l (memlock in /etc/security/limits.conf, LimitMEMLOCK=infinity of a service, --ulimit memlock=-1 of a container)"
	case e.Errno == syscall.EACCES || e.Errno == syscall.EPERM:
		return "this user may not use the device: give it access to /dev/infiniband/uverbs*"
	case e.Call == "ibv_open_device":
		return "start containers with --device /dev/infiniband, and load the kernel module ib_uverbs"
	case e.Call == "ibv_modify_qp" && (e.Errno == syscall.ETIMEDOUT || e.Errno == syscall.EINVAL || e.Errno == syscall.ENETUNREACH || e.Errno == syscall.EHOSTUNREACH):
		return "there is no way between the two ports: choose a GID with NCCL_IB_GID_INDEX, or a port with NCCL_IB_HCA"
	}
	return ""
}

// LoadError: the library is not there, or lacks a function.
type LoadError struct {
	Path string
	Err  error
}

func (e *LoadError) Error() string {
	return fmt.Sprintf("%s cannot be used: %v: on Debian, apt-get install libibverbs1 ibverbs-providers", e.Path, e.Err)
}

// Unwrap returns the cause and ErrUnavailable.
func (e *LoadError) Unwrap() []error { return []error{e.Err, ErrUnavailable} }
