package cudaffi

import "unsafe"

// Memory is where something lies.
type Memory int

// The kinds of memory.
const (
	MemoryUnregistered Memory = iota // the driver knows nothing of it: ordinary host memory, or none at all
	MemoryHost                       // pinned host memory
	MemoryDevice
	MemoryManaged // wanders between host and devices
)

// String is a word or two for messages.
func (m Memory) String() string {
	switch m {
	case MemoryHost:
		return "pinned host memory"
	case MemoryDevice:
		return "device memory"
	case MemoryManaged:
		return "managed memory"
	}
	return "memory unknown to CUDA"
}

// Pointer says what an address points to.
type Pointer struct {
	Memory  Memory
	Device  int     // the ordinal of its device; -1 if Memory is MemoryUnregistered
	Context uintptr // the CUcontext that it was made in; 0 if it belongs to none

	// Buffer is a number of the allocation that it points into, which no other one of
	// the process ever has, not even at the same addresses; 0 if there is none. Base
	// and Bytes say where that allocation lies; 0 if unknown.
	Buffer uint64
	Base   DevicePtr
	Bytes  int64
}

const (
	pointerContext       = 1
	pointerMemoryType    = 2
	pointerBufferID      = 7
	pointerIsManaged     = 8
	pointerDeviceOrdinal = 9
	pointerRangeStart    = 11
	pointerRangeSize     = 12

	memoryTypeHost   = 1
	memoryTypeDevice = 2
)

// pointerAttributes are what is asked about an address.
var pointerAttributes = [...]int32{
	pointerContext, pointerMemoryType, pointerIsManaged, pointerDeviceOrdinal, pointerBufferID, pointerRangeStart, pointerRangeSize,
}

// Pointer asks what p points to. It takes a context of the process, any, to
// have been made.
func (d *Driver) Pointer(p DevicePtr) (Pointer, error) {
	f := frames.Get().(*frame)
	defer frames.Put(f)
	clear(f.out[:]) // the answers, each written as far as its type goes
	for i := range pointerAttributes {
		f.params[i] = unsafe.Pointer(&f.out[i])
	}
	r := f.of(d, cuPointerGetAttributes, uintptr(len(pointerAttributes)), uintptr(unsafe.Pointer(&pointerAttributes)), f.paramsAt, uintptr(p))
	clear(f.params[:len(pointerAttributes)])
	if r != success {
		return Pointer{}, d.failure(cuPointerGetAttributes, r, "")
	}
	found := Pointer{
		Context: uintptr(f.out[0]), Device: int(int32(f.out[3])),
		Buffer: f.out[4], Base: DevicePtr(f.out[5]), Bytes: int64(f.out[6]),
	}
	switch kind, managed := int32(f.out[1]), f.out[2] != 0; {
	case managed:
		found.Memory = MemoryManaged
	case kind == memoryTypeDevice:
		found.Memory = MemoryDevice
	case kind == memoryTypeHost:
		found.Memory = MemoryHost
	default:
		found.Device = -1
	}
	return found, nil
}
