package cudaffi

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"unsafe"
)

// LibraryVariable is the environment variable that names the driver's library
// where it is not to be looked for.
const LibraryVariable = "MONEL_CUDA_LIBRARY"

// MinVersion is the oldest CUDA version that a driver may have, as Version
// counts: 11.4, which NVIDIA's driver 470 brought.
const MinVersion = 11040

// places are where the library is looked for: on the loader's path first, then
// where WSL, container runtimes and NixOS keep it without telling the loader.
var places = []string{
	"libcuda.so.1",
	"/usr/lib/wsl/lib/libcuda.so.1",
	"/usr/local/nvidia/lib64/libcuda.so.1",
	"/run/opengl-driver/lib/libcuda.so.1",
}

// Driver is a loaded CUDA driver. It is never unloaded. Its methods may be
// called concurrently.
type Driver struct {
	path    string
	fn      [symbolCount]uintptr
	version int
	devices int
}

// Default opens the machine's driver, once: all calls return the same.
func Default() (*Driver, error) { return openDefault() }

var openDefault = sync.OnceValues(func() (*Driver, error) { return Open("") })

// Open loads the driver's library and initialises it. An empty path means the
// environment variable MONEL_CUDA_LIBRARY, and without that libcuda.so.1.
//
// Unless the environment says otherwise, it sets CUDA_DEVICE_MAX_CONNECTIONS to 32,
// which has an effect if nobody in the process has initialised the driver before:
// more streams can then wait without holding up others.
//
// The error wraps ErrNoCUDA where there is no such library, ErrOldDriver where
// it is too old, and ErrNoDevice where it finds no GPU.
func Open(path string) (*Driver, error) {
	if path == "" {
		path = os.Getenv(LibraryVariable)
	}
	library, path, err := load(path)
	if err != nil {
		return nil, err
	}
	d := &Driver{path: path}
	if err := d.resolve(library); err != nil {
		return nil, err
	}
	if err := d.start(); err != nil {
		return nil, err
	}
	return d, nil
}

// load opens the library at path, or in one of the usual places.
func load(path string) (uintptr, string, error) {
	if path != "" {
		library, err := openLibrary(path)
		if err != nil {
			return 0, path, &LoadError{Path: path, Err: err}
		}
		return library, path, nil
	}
	var first error
	for _, place := range places {
		library, err := openLibrary(place)
		if err == nil {
			return library, place, nil
		}
		if first == nil {
			first = err
		}
	}
	return 0, places[0], &LoadError{Path: places[0], Err: first}
}

// resolve finds all functions. Drivers since CUDA 11.3 are asked for the version
// of each that has our signature; older ones have it under a known symbol, and
// so have newer ones, for whatever they do not answer.
func (d *Driver) resolve(library uintptr) error {
	ask := lookup(library, "cuGetProcAddress_v2")
	if ask == 0 {
		ask = lookup(library, "cuGetProcAddress")
	}
	var missing []string
	for s, f := range functions {
		address := uintptr(0)
		if ask != 0 {
			address = procAddress(ask, f)
		}
		if address == 0 {
			address = lookup(library, f.name+f.suffix)
		}
		if address == 0 && !f.absent {
			missing = append(missing, f.name+f.suffix)
		}
		d.fn[s] = address
	}
	if missing == nil {
		return nil
	}
	if d.fn[cuDriverGetVersion] != 0 {
		if err := d.checkVersion(); err != nil {
			return err
		}
	}
	return &LoadError{Path: d.path, Err: fmt.Errorf("it lacks %s and %d other functions: is it a CUDA driver?", missing[0], len(missing)-1)}
}

// legacyStream asks cuGetProcAddress for functions to which stream 0 is the
// legacy default stream.
const legacyStream = 1

// procAddress asks the driver for a function; 0 if it does not know.
func procAddress(ask uintptr, f function) uintptr {
	name := append([]byte(f.name), 0)
	answer := new(struct {
		address uintptr
		status  int32
	})
	// The first version of the function has no use for the last argument.
	r := callAt(ask, uintptr(unsafe.Pointer(&name[0])), uintptr(unsafe.Pointer(&answer.address)), uintptr(f.version), legacyStream,
		uintptr(unsafe.Pointer(&answer.status)))
	if r != success {
		return 0
	}
	return answer.address
}

// start initialises the driver and counts its devices.
func (d *Driver) start() error {
	if err := d.checkVersion(); err != nil {
		return err
	}
	widen()
	if err := d.check(cuInit, d.call(cuInit, 0)); err != nil {
		return err
	}
	count := new(int32)
	if err := d.check(cuDeviceGetCount, d.call(cuDeviceGetCount, uintptr(unsafe.Pointer(count)))); err != nil {
		return err
	}
	if *count == 0 {
		return d.check(cuDeviceGetCount, noDevice)
	}
	d.devices = int(*count)
	return nil
}

func (d *Driver) checkVersion() error {
	version := new(int32)
	if err := d.check(cuDriverGetVersion, d.call(cuDriverGetVersion, uintptr(unsafe.Pointer(version)))); err != nil {
		return err
	}
	d.version = int(*version)
	if d.version < MinVersion {
		return &LoadError{Path: d.path, Err: fmt.Errorf("%w: it supports CUDA %s, and %s is needed",
			ErrOldDriver, versionText(d.version), versionText(MinVersion))}
	}
	return nil
}

func versionText(v int) string { return fmt.Sprintf("%d.%d", v/1000, v%1000/10) }

// Version is the CUDA version that the driver supports: 12040 is CUDA 12.4.
func (d *Driver) Version() int { return d.version }

// Path is the library's path, or its name if the loader found it.
func (d *Driver) Path() string { return d.path }

// DeviceCount is the number of GPUs that this process sees, at least 1. The
// environment variable CUDA_VISIBLE_DEVICES restricts and reorders them.
func (d *Driver) DeviceCount() int { return d.devices }

// has reports whether the driver has an optional function.
func (d *Driver) has(s symbol) bool { return d.fn[s] != 0 }

// call calls a function of the driver that needs no context. Pointers may be
// converted in its argument list, as in callAt.
//
//go:uintptrescapes
func (d *Driver) call(s symbol, args ...uintptr) Result { return callAt(d.fn[s], args...) }

// callAt calls the function at fn. What pointers point to that are converted in
// its argument list is on the heap, where nothing moves it, and stays alive
// until the call returns.
//
//go:uintptrescapes
func callAt(fn uintptr, args ...uintptr) Result { return Result(int32(syscallN(fn, args))) }

// LoadError says why the library at Path cannot be used. It wraps ErrNoCUDA,
// or ErrOldDriver where that is the reason.
type LoadError struct {
	Path string
	Err  error
}

// Error is the reason and the remedy.
func (e *LoadError) Error() string { return fmt.Sprintf("cudaffi: %s: %s", e.Reason(), e.Remedy()) }

// Reason is what is wrong.
func (e *LoadError) Reason() string {
	if errors.Is(e.Err, ErrOldDriver) {
		return fmt.Sprintf("%s: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("%v: %v", ErrNoCUDA, e.Err)
}

// Remedy is what to do about it.
func (e *LoadError) Remedy() string {
	if errors.Is(e.Err, ErrOldDriver) {
		return "install NVIDIA's driver 470 or newer"
	}
	return fmt.Sprintf("%s comes with NVIDIA's driver: install that (on Debian, libcuda1 of the component non-free), "+
		"run containers with the NVIDIA Container Toolkit (--gpus all), or name the library in %s", places[0], LibraryVariable)
}

// Unwrap returns the reason, and ErrNoCUDA if it is not the driver's age.
func (e *LoadError) Unwrap() []error {
	if errors.Is(e.Err, ErrOldDriver) {
		return []error{e.Err}
	}
	return []error{ErrNoCUDA, e.Err}
}
