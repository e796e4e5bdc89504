package cudasim

import (
	"fmt"

	"github.com/ebitengine/purego"
)

func openControl(path string) (*control, error) {
	library, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("cudasim: %w", err)
	}
	number, err := purego.Dlsym(library, "monel_sim_interface")
	if err != nil {
		return nil, fmt.Errorf("cudasim: %s is no simulated driver: %w", path, err)
	}
	if r, _, _ := purego.SyscallN(number); r != controlInterface {
		return nil, fmt.Errorf("cudasim: %s has interface %d, want %d", path, r, controlInterface)
	}
	c := new(control)
	for name, function := range map[string]any{
		"reset": &c.reset, "forget_faults": &c.forgetFaults, "set": &c.set, "fail_call": &c.failCall,
		"fail_kernel": &c.failKernel, "fail_nth": &c.failNth, "fail_work": &c.failWork, "lose": &c.lose, "armed": &c.armed, "count": &c.count, "calls": &c.calls,
		"live": &c.live, "leaks": &c.leaks, "faults": &c.faults, "read": &c.read, "write": &c.write,
	} {
		purego.RegisterLibFunc(function, library, "monel_sim_"+name)
	}
	return c, nil
}
