package cudaffi

import "errors"

// Ensure calls a function that frees something, and calls it again if the first time
// the driver failed before it came to that.
func Ensure(free func() error) error {
	err := free()
	var e *Error
	if errors.As(err, &e) && (e.Call == functions[cuCtxGetCurrent].name || e.Call == functions[cuCtxPushCurrent].name) && !errors.Is(err, ErrSticky) {
		return errors.Join(err, free())
	}
	return err
}
