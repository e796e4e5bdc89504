package cudaffi

import (
	"errors"
	"fmt"
	"unsafe"
)

// What errors wrap, for errors.Is.
var (
	// ErrNoCUDA: this machine has no CUDA driver.
	ErrNoCUDA = errors.New("no CUDA driver")
	// ErrNoDevice: there is a driver but no GPU that this process may use.
	ErrNoDevice = errors.New("no CUDA device")
	// ErrOldDriver: the driver is too old, or does not match the kernel's part.
	ErrOldDriver = errors.New("the CUDA driver is too old")
	// ErrInvalidValue: an argument is wrong.
	ErrInvalidValue = errors.New("invalid value")
	// ErrOutOfMemory: the device, or for pinned memory the host, has too little.
	ErrOutOfMemory = errors.New("out of memory")
	// ErrInvalidContext: the context has been released or destroyed.
	ErrInvalidContext = errors.New("invalid context")
	// ErrInvalidHandle: a stream, an event or the like is of another context, or
	// was destroyed.
	ErrInvalidHandle = errors.New("invalid handle")
	// ErrNotFound: the module has nothing of that name.
	ErrNotFound = errors.New("not found")
	// ErrInvalidPTX: the driver's compiler refuses the code.
	ErrInvalidPTX = errors.New("invalid PTX")
	// ErrUnsupported: the driver or the GPU cannot do that.
	ErrUnsupported = errors.New("not supported")
	// ErrCapture: a CUDA graph is being captured, which forbids the call.
	ErrCapture = errors.New("a CUDA graph is being captured")
	// ErrIllegalAddress: a kernel touched memory that is not its own.
	ErrIllegalAddress = errors.New("illegal address")
	// ErrSticky: something on the device went so wrong that every later call in
	// this process returns the same error. ErrIllegalAddress is of this kind.
	ErrSticky = errors.New("the CUDA context is lost")
)

// Error is an error that the driver returned. It wraps the sentinel of its
// code, if it has one, and ErrSticky if it is of that kind. The driver reports
// what went wrong in earlier work at whichever call comes next, so Call need not
// be to blame.
type Error struct {
	Call   string // the driver's function
	Code   Result
	Name   string // of the code, like CUDA_ERROR_OUT_OF_MEMORY
	Text   string // what the driver says about it
	Detail string // more about this error; a compiler's log for instance
}

// Error is a sentence with all of that, and says what to do if that is known.
func (e *Error) Error() string {
	if remedy := e.Remedy(); remedy != "" {
		return fmt.Sprintf("cudaffi: %s: %s", e.Reason(), remedy)
	}
	return "cudaffi: " + e.Reason()
}

// Reason is what went wrong, without a remedy.
func (e *Error) Reason() string {
	reason := fmt.Sprintf("%s: %s (%s, %d)", e.Call, e.Text, e.Name, e.Code)
	if e.Detail != "" {
		reason += ": " + e.Detail
	}
	return reason
}

// Remedy is what may help, empty if nothing is known.
func (e *Error) Remedy() string { return hints[e.Code] }

// Unwrap returns the sentinels.
func (e *Error) Unwrap() []error {
	var wrapped []error
	if class := e.Code.class(); class != nil {
		wrapped = append(wrapped, class)
	}
	if e.Code.sticky() {
		wrapped = append(wrapped, ErrSticky)
	}
	return wrapped
}

// check makes an error of a result, nil of success.
func (d *Driver) check(s symbol, r Result) error {
	if r == success {
		return nil
	}
	return d.failure(s, r, "")
}

// failure is the error that s returned, or would have returned.
func (d *Driver) failure(s symbol, r Result, detail string) *Error {
	return &Error{
		Call: functions[s].name, Code: r, Detail: detail,
		Name: d.describe(cuGetErrorName, r, "an error without a name"),
		Text: d.describe(cuGetErrorString, r, "an error that this driver does not describe"),
	}
}

// describe asks the driver for a text about a code.
func (d *Driver) describe(s symbol, r Result, unknown string) string {
	text := new(unsafe.Pointer)
	if d.call(s, uintptr(r), uintptr(unsafe.Pointer(text))) != success || *text == nil {
		return unknown
	}
	return goString(*text)
}

// goString copies a C string.
func goString(p unsafe.Pointer) string {
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}
