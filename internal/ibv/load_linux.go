//go:build (amd64 || arm64) && !nocuda

package ibv

import (
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"github.com/ebitengine/purego"
	"golang.org/x/sys/unix"
)

// LibraryName is what the system's loader is asked for.
const LibraryName = "libibverbs.so.1"

// library is libibverbs once it is loaded.
type library struct {
	fn [symbolCount]uintptr

	// What calls that prepare something are given addresses of lies here.
	mu      sync.Mutex
	scratch []byte
	args    []uintptr
}

var load = sync.OnceValues(func() (*library, error) { return loadFrom(libraryPath) })

func loadFrom(path string) (*library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, &LoadError{path, err}
	}
	l := &library{args: make([]uintptr, 8)}
	for s, name := range symbolNames {
		if l.fn[s], err = purego.Dlsym(handle, name); err != nil && !optional[symbol(s)] {
			return nil, &LoadError{path, fmt.Errorf("it has no %s: %w", name, err)}
		}
	}
	l.scratch, err = Allocate(4096)
	if err != nil {
		return nil, &LoadError{path, err}
	}
	l.surviveForks()
	return l, nil
}

// surviveForks has registered memory stay the parent's when the process forks. Linux
// copies such pages for the child since 5.12, and then the library has nothing to do.
// Before that, the parent's next write would have given it another page than the one
// that the adapter reads; so the library withholds the pages from children, which
// therefore must not touch them. It has to be told before anything is registered, and
// refuses where another user of it in the process came first: then it is as that one
// wants it.
func (l *library) surviveForks() {
	if l.fn[ibvForkInit] != 0 {
		l.call(ibvForkInit)
	}
}

// Use makes path the library that is loaded, instead of LibraryName: one for tests that
// stands in front of it. It has no effect once a library has been loaded.
func Use(path string) { libraryPath = path }

var libraryPath = LibraryName

// Available returns nil if the library can be loaded, else a *LoadError.
func Available() error {
	_, err := load()
	return err
}

// Allocate returns n bytes of zeros outside Go's heap, from a page boundary on.
// Free gives them back.
func Allocate(n int) ([]byte, error) {
	return unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
}

// Free gives back what Allocate returned, all of it.
func Free(b []byte) {
	if len(b) > 0 {
		_ = unix.Munmap(b)
	}
}

// call calls a function, and returns its result and what errno is afterwards.
// The library's lock is held.
func (l *library) call(s symbol, args ...uintptr) (uintptr, syscall.Errno) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	n := copy(l.args, args)
	result, _, _ := purego.SyscallN(l.fn[s], l.args[:n]...)
	where, _, _ := purego.SyscallN(l.fn[errnoLocation])
	return result, syscall.Errno(*at[int32](where, 0))
}

// make calls a function that returns a pointer, NULL being an error.
func (l *library) make(device string, s symbol, args ...uintptr) (uintptr, error) {
	result, errno := l.call(s, args...)
	if result == 0 {
		return 0, &Error{Call: symbolNames[s], Device: device, Errno: errno}
	}
	return result, nil
}

// do calls a function that returns an errno, or -1 with errno set.
func (l *library) do(device string, s symbol, args ...uintptr) error {
	result, errno := l.call(s, args...)
	switch r := int32(result); {
	case r == 0:
		return nil
	case r > 0:
		errno = syscall.Errno(r)
	}
	return &Error{Call: symbolNames[s], Device: device, Errno: errno}
}

// zeroed is the scratch memory as a T with nothing in it. The lock is held.
func zeroed[T any](l *library) *T {
	t := (*T)(unsafe.Pointer(unsafe.SliceData(l.scratch)))
	var zero T
	*t = zero
	return t
}

// here is the address of the scratch memory.
func (l *library) here() uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(l.scratch))) }

// at is the T at offset from an address that is not Go's.
func at[T any](address uintptr, offset uintptr) *T {
	address += offset
	return *(**T)(unsafe.Pointer(&address))
}

// text is the string at an address that is not Go's.
func text(address uintptr) string {
	if address == 0 {
		return ""
	}
	var b []byte
	for i := uintptr(0); ; i++ {
		c := *at[byte](address, i)
		if c == 0 {
			return string(b)
		}
		b = append(b, c)
	}
}
