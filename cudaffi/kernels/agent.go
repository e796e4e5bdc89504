package kernels

import (
	"errors"
	"fmt"

	"github.com/monel-dev/monel/cudaffi"
)

// Agent is a kernel that carries out commands while it runs. Each Run is one of
// its launches: it begins in its place among the work of a stream, does what the
// host tells it, and ends when the host says so, whereupon the stream goes on. A
// command takes a microsecond or two to reach it, several times less than a launch,
// and the driver has no part in it.
//
// Since a Run occupies multiprocessors until it ends, whoever starts one sees to it
// that it does.
type Agent struct {
	ctx      *cudaffi.Context
	module   *cudaffi.Module
	function cudaffi.Function
	blocks   uint32
}

// agentBlocks is how many blocks an agent has: with fewer, transposes do not keep
// a PCIe bus busy, and more would be taken from kernels that compute.
const agentBlocks = 16

// agentShared is the dynamic shared memory of a block, more than tiles take. With
// the command that is being carried out it is what a kernel may have without asking
// for more.
const agentShared = 46 << 10

// LoadAgent compiles the agent for the context's device, or finds it in the
// driver's cache.
func LoadAgent(ctx *cudaffi.Context) (*Agent, error) {
	processors, err := ctx.Device().Attribute(cudaffi.AttributeMultiprocessors)
	if err != nil {
		return nil, fmt.Errorf("kernels: %w", err)
	}
	module, err := ctx.Load(agentPTX)
	if err != nil {
		return nil, fmt.Errorf("kernels: %w", err)
	}
	function, err := module.Function("monel_agent")
	if err != nil {
		return nil, fmt.Errorf("kernels: %w", errors.Join(err, module.Unload()))
	}
	return &Agent{ctx: ctx, module: module, function: function, blocks: uint32(min(processors, agentBlocks))}, nil
}

// Unload removes the agent from the device. All Runs must have ended.
func (a *Agent) Unload() error { return a.module.Unload() }
