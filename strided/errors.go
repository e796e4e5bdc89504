package strided

import (
	"errors"
	"fmt"
)

// The reasons a layout, tensor or walk is refused. Errors of this package wrap
// one of them and are tested with errors.Is.
var (
	// ErrShape: a shape, dimension number, index or stride list that makes no
	// sense for the tensor.
	ErrShape = errors.New("invalid shape")
	// ErrNeedsCopy: the shape is right, but no strides describe it over this
	// memory.
	ErrNeedsCopy = errors.New("not possible without a copy")
	// ErrTooLarge: a count or offset that no memory can have.
	ErrTooLarge = errors.New("too large")
	// ErrBounds: elements outside the memory.
	ErrBounds = errors.New("out of bounds of the memory")
	// ErrUnaligned: an address that is no multiple of the element size.
	ErrUnaligned = errors.New("unaligned memory")
	// ErrNilMemory: elements, but no memory to hold them.
	ErrNilMemory = errors.New("nil memory")
	// ErrOverlap: elements that share memory where they must not.
	ErrOverlap = errors.New("overlapping memory")
	// ErrDType: an element type that does not exist, or two that differ.
	ErrDType = errors.New("wrong element type")
	// ErrDevice: memory of a device where the host must touch it.
	ErrDevice = errors.New("device memory")
	// ErrWalk: a walk that does not fit the shape.
	ErrWalk = errors.New("invalid walk")
)

// LayoutError says what was wrong with a layout, tensor or walk, and where. It
// unwraps to one of the sentinels above.
type LayoutError struct {
	Func   string // the function or method that refused
	Detail string // what was wrong and what to do
	Err    error  // the sentinel
}

func (e *LayoutError) Error() string {
	return fmt.Sprintf("strided.%s: %v: %s", e.Func, e.Err, e.Detail)
}

func (e *LayoutError) Unwrap() error { return e.Err }

func errorf(fn string, sentinel error, format string, args ...any) error {
	return &LayoutError{Func: fn, Detail: fmt.Sprintf(format, args...), Err: sentinel}
}
