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
}

const (
	pointerContext       = 1
	pointerMemoryType    = 2
	pointerIsManaged     = 8
	pointerDeviceOrdinal = 9

	memoryTypeHost   = 1
	memoryTypeDevice = 2
)

// Pointer asks what p points to. It takes a context of the process, any, to
// have been made.
func (d *Driver) Pointer(p DevicePtr) (Pointer, error) {
	attributes := &[4]int32{pointerContext, pointerMemoryType, pointerIsManaged, pointerDeviceOrdinal}
	var answer struct {
		context uintptr
		kind    int32
		device  int32
		managed int8
	}
	a := &answer
	data := &[4]unsafe.Pointer{unsafe.Pointer(&a.context), unsafe.Pointer(&a.kind), unsafe.Pointer(&a.managed), unsafe.Pointer(&a.device)}
	r := d.call(cuPointerGetAttributes, uintptr(len(attributes)), uintptr(unsafe.Pointer(attributes)), uintptr(unsafe.Pointer(data)), uintptr(p))
	if err := d.check(cuPointerGetAttributes, r); err != nil {
		return Pointer{}, err
	}
	found := Pointer{Device: int(a.device), Context: a.context}
	switch {
	case a.managed != 0:
		found.Memory = MemoryManaged
	case a.kind == memoryTypeDevice:
		found.Memory = MemoryDevice
	case a.kind == memoryTypeHost:
		found.Memory = MemoryHost
	default:
		found.Device = -1
	}
	return found, nil
}
