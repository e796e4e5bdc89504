package kernels

import (
	_ "embed"
	"fmt"
	"unsafe"

	"github.com/monel-dev/monel/cudaffi"
)

//go:embed kernels.ptx
var ptx []byte

//go:embed agent.ptx
var agentPTX []byte

// Set is the kernels on one device. Its methods put work on a stream and return;
// they may be called from any goroutine and allocate nothing in steady state.
type Set struct {
	module   *cudaffi.Module
	function [kernelCount]cudaffi.Function
}

// Load compiles the kernels for the context's device, or finds them in the
// driver's cache, and has all of them on the device when it returns.
func Load(ctx *cudaffi.Context) (*Set, error) {
	module, err := ctx.Load(ptx)
	if err != nil {
		return nil, fmt.Errorf("kernels: %w", err)
	}
	s := &Set{module: module}
	for k := range kernelCount {
		if !k.exists() {
			continue
		}
		if s.function[k], err = module.Function(k.name()); err != nil {
			module.Unload()
			return nil, fmt.Errorf("kernels: %w", err)
		}
	}
	return s, nil
}

// Unload removes the kernels from the device. Work on streams must be done.
func (s *Set) Unload() error { return s.module.Unload() }

// on launches on a stream.
type on struct {
	set    *Set
	stream cudaffi.Stream
}

func (o *on) launch(k kernel, blocks, shared uint32, params unsafe.Pointer) error {
	return o.set.function[k].Launch(o.stream, [3]uint32{blocks, 1, 1}, [3]uint32{blockThreads, 1, 1}, shared, params)
}
