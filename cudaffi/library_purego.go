//go:build linux && (amd64 || arm64) && !nocuda

package cudaffi

import "github.com/ebitengine/purego"

// supported says that libraries can be opened in this build.
const supported = true

// openLibrary loads a shared library. Its symbols serve nobody else, and it
// stays loaded: the driver has threads of its own.
func openLibrary(path string) (uintptr, error) {
	return purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
}

// lookup finds a symbol of a library; 0 if there is none.
func lookup(library uintptr, name string) uintptr {
	address, err := purego.Dlsym(library, name)
	if err != nil {
		return 0
	}
	return address
}

// syscallN calls the C function at fn. The list of arguments has to be on the
// heap, or is put there.
func syscallN(fn uintptr, args []uintptr) uintptr {
	r, _, _ := purego.SyscallN(fn, args...)
	return r
}
