package cudaffi

import (
	"bytes"
	"strings"
	"unsafe"
)

// Module is code on a device.
type Module struct {
	c      *Context
	handle uintptr
}

// Function is a kernel of a module, valid until that is unloaded.
type Function struct {
	c      *Context
	handle uintptr
}

// Options of the driver's compiler.
const (
	jitInfoLog      = 3
	jitInfoLogSize  = 4
	jitErrorLog     = 5
	jitErrorLogSize = 6
)

// Load compiles PTX for the device, or loads a cubin. What the compiler has to
// say about code that it refuses is in the error's Detail. It may wait for all
// work on the device.
func (c *Context) Load(code []byte) (*Module, error) {
	f, err := c.enter()
	if err != nil {
		return nil, err
	}
	defer f.leave()
	text := append(bytes.Clone(code), 0) // PTX ends with a zero
	info, failure := make([]byte, 8<<10), make([]byte, 8<<10)
	options := &[4]int32{jitInfoLog, jitInfoLogSize, jitErrorLog, jitErrorLogSize}
	// Each log's last byte stays zero.
	values := &[4]uintptr{f.hold(unsafe.Pointer(&info[0])), uintptr(len(info) - 1),
		f.hold(unsafe.Pointer(&failure[0])), uintptr(len(failure) - 1)}
	r := f.try(cuModuleLoadDataEx, f.outAt, f.hold(unsafe.Pointer(&text[0])), uintptr(len(options)),
		f.hold(unsafe.Pointer(options)), f.hold(unsafe.Pointer(values)))
	if r != success {
		log := goString(unsafe.Pointer(&failure[0])) + goString(unsafe.Pointer(&info[0]))
		return nil, c.d.failure(cuModuleLoadDataEx, r, strings.TrimSpace(log))
	}
	return &Module{c, f.handle()}, nil
}

// Function finds a kernel by its name, and has it on the device when it
// returns: were it loaded when first launched, that would wait for all work on
// the device.
func (m *Module) Function(name string) (Function, error) {
	f, err := m.c.enter()
	if err != nil {
		return Function{}, err
	}
	defer f.leave()
	text := append([]byte(name), 0)
	r := f.try(cuModuleGetFunction, f.outAt, m.handle, f.hold(unsafe.Pointer(&text[0])))
	if r != success {
		return Function{}, m.c.d.failure(cuModuleGetFunction, r, "kernel "+name)
	}
	fn := Function{m.c, f.handle()}
	if m.c.d.has(cuFuncLoad) {
		return fn, f.call(cuFuncLoad, fn.handle)
	}
	// Drivers that cannot be told to load do it to answer this.
	_, err = fn.Attribute(FunctionRegisters)
	return fn, err
}

// Unload removes the code. It may wait for all work on the device.
func (m *Module) Unload() error {
	f, err := m.c.enter()
	if err != nil {
		return err
	}
	defer f.leave()
	return f.call(cuModuleUnload, m.handle)
}

// FunctionAttribute numbers a property of a kernel: a CUfunction_attribute of
// cuda.h.
type FunctionAttribute int32

// Some function attributes.
const (
	FunctionMaxThreads  FunctionAttribute = 0 // threads that a block may have
	FunctionSharedBytes FunctionAttribute = 1 // static shared memory of a block
	FunctionLocalBytes  FunctionAttribute = 3 // memory of a thread, for what does not fit registers
	FunctionRegisters   FunctionAttribute = 4 // of a thread
)

// Attribute returns the value of an attribute.
func (fn Function) Attribute(a FunctionAttribute) (int, error) {
	f, err := fn.c.enter()
	if err != nil {
		return 0, err
	}
	defer f.leave()
	err = f.call(cuFuncGetAttribute, f.outAt, uintptr(a), fn.handle)
	return int(f.number()), err
}
