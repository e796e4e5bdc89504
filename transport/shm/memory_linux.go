package shm

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

var linux = system{
	create: func(n nonce, size int) (*os.File, error) {
		f, err := createMemfd(n, size)
		if err == nil {
			return f, nil
		}
		f, shmErr := createUnnamed("/dev/shm", n, size)
		if shmErr == nil {
			return f, nil
		}
		return nil, fmt.Errorf("neither an anonymous memory file (%w) nor one in /dev/shm (%w)", err, shmErr)
	},
	open: openOffered,
	ways: []way{wayProc, wayPass},
}

func localSystem() (system, error) { return linux, nil }

// fileName is by which the segment with nonce n is recognised in /proc/PID/fd.
func fileName(n nonce) string { return "monel-" + hex.EncodeToString(n[:]) }

const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

func createMemfd(n nonce, size int) (*os.File, error) {
	flags := unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(fileName(n), flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(fileName(n), flags)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), fileName(n))
	if err := f.Truncate(int64(size)); err != nil {
		f.Close()
		return nil, err
	}
	// The peer demands these: were the file cut, touching what is mapped of it
	// would kill the process.
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		f.Close()
		return nil, os.NewSyscallError("fcntl(F_ADD_SEALS)", err)
	}
	return f, nil
}

// createUnnamed makes a file in dir and removes its name at once.
func createUnnamed(dir string, n nonce, size int) (*os.File, error) {
	f, err := os.OpenFile(dir+"/"+fileName(n), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	err = os.Remove(f.Name())
	if err == nil {
		// Room for all of it now rather than a fatal signal at some later page.
		err = os.NewSyscallError("fallocate", unix.Fallocate(int(f.Fd()), 0, 0, int64(size)))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// openOffered opens the file that a peer offers.
func openOffered(o *offer) (f *os.File, err error) {
	switch o.way {
	case wayProc:
		f, err = openProc(o)
	case wayPass:
		f, err = receiveFile(o)
	default:
		err = fmt.Errorf("way %d is unknown", o.way)
	}
	if err != nil {
		return nil, err
	}
	if err := vet(f, int64(o.size)); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// openProc opens the file through its owner's table of descriptors. The owner's
// process number may mean another process here, whose files may be anything, so
// the name is looked at first.
func openProc(o *offer) (*os.File, error) {
	path := fmt.Sprintf("/proc/%d/fd/%d", o.pid, o.fd)
	name, err := os.Readlink(path)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(name, fileName(o.nonce)) {
		return nil, fmt.Errorf("%s is not the offered file: process %d is another one here", path, o.pid)
	}
	return os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
}

// vet reports why mapping f would be unwise.
func vet(f *os.File, size int64) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size != size {
		return fmt.Errorf("the offered file has mode %#o and %d bytes, want a regular one of %d", st.Mode, st.Size, size)
	}
	if got, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0); err == nil && got&unix.F_SEAL_SHRINK != 0 {
		return nil
	}
	if st.Nlink != 0 || st.Mode&0o077 != 0 {
		return errors.New("the offered file is neither sealed nor private")
	}
	return nil
}

// mapFile maps the first size bytes of f for both sides to write.
func mapFile(f *os.File, size int) ([]byte, error) {
	mem, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return mem, os.NewSyscallError("mmap", err)
}

func unmap(mem []byte) { _ = unix.Munmap(mem) }

// retire takes a segment away from under somebody who may still hold one of its
// slots: its addresses stay valid for the time of grace, but what is done to
// them harms nobody.
func retire(mem []byte, grace time.Duration) {
	// Should this fail, the segment itself stays there for that time.
	_, _ = unix.MmapPtr(-1, 0, unsafe.Pointer(&mem[0]), uintptr(len(mem)), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED|unix.MAP_NORESERVE)
	time.AfterFunc(grace, func() { unmap(mem) })
}
