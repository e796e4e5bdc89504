package cudaffi

const (
	waitValueGEQ      = 0
	writeValueDefault = 0
)

// chooseValues finds out which functions for values on streams work here. The
// first version of them had to be enabled by a parameter of the kernel module;
// the second works wherever the GPU has it.
func (c *Context) chooseValues() {
	is := func(a Attribute) bool { v, err := c.device.Attribute(a); return err == nil && v != 0 }
	switch {
	case c.d.has(cuStreamWaitValue32) && c.d.has(cuStreamWriteValue32) && is(attributeStreamValues64):
		c.waitValue, c.writeValue = cuStreamWaitValue32, cuStreamWriteValue32
	case c.d.has(cuStreamWaitValue32V1) && c.d.has(cuStreamWriteValue32V1) && is(attributeStreamValuesV1):
		c.waitValue, c.writeValue = cuStreamWaitValue32V1, cuStreamWriteValue32V1
	}
}

// HasStreamValues reports whether streams can write values and wait for them.
func (c *Context) HasStreamValues() bool { return c.waitValue != 0 }

// Write32 writes a 4-byte value to device or pinned memory, aligned to 4 bytes,
// once the work before it on the stream is done and what that wrote is visible.
// Without HasStreamValues the error wraps ErrUnsupported.
func (s Stream) Write32(at DevicePtr, v uint32) error {
	if s.c.writeValue == 0 {
		return s.c.d.check(cuStreamWriteValue32, notSupported)
	}
	return s.call(s.c.writeValue, uintptr(at), uintptr(v), writeValueDefault)
}

// Wait32 makes later work on the stream wait until the 4 bytes at device or
// pinned memory hold v or have passed it: as a signed number, the difference to
// v is not negative, so values may wrap around. Without HasStreamValues the
// error wraps ErrUnsupported.
func (s Stream) Wait32(at DevicePtr, v uint32) error {
	if s.c.waitValue == 0 {
		return s.c.d.check(cuStreamWaitValue32, notSupported)
	}
	return s.call(s.c.waitValue, uintptr(at), uintptr(v), waitValueGEQ)
}
