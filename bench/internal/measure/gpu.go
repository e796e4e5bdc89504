package measure

import (
	"fmt"

	"github.com/monel-dev/monel/cudaffi"
)

// GPU is the device that a rank's tensors are on, and the stream that its
// collectives are put on.
type GPU struct {
	Context *cudaffi.Context
	Stream  cudaffi.Stream
}

// OpenGPU takes a GPU of this machine for the rank of that number on it: ranks
// take them in turns.
func OpenGPU(localRank int) (*GPU, error) {
	driver, err := cudaffi.Default()
	if err != nil {
		return nil, err
	}
	ctx, err := driver.Primary(localRank % driver.DeviceCount())
	if err != nil {
		return nil, err
	}
	stream, err := ctx.NewStream(cudaffi.PriorityDefault)
	if err != nil {
		return nil, err
	}
	return &GPU{ctx, stream}, nil
}

// String is what nccl-tests says about a rank's device.
func (g *GPU) String() string {
	d := g.Context.Device()
	return fmt.Sprintf("%2d [%s] %s", d.Ordinal, d.PCIBusID, d.Name)
}
