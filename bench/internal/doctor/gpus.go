package doctor

import (
	"errors"
	"fmt"

	"github.com/monel-dev/monel/cudaffi"
)

// oldest is the compute capability that the CUDA kernels need.
var oldest = cudaffi.Capability{Major: 7, Minor: 5}

func (s System) gpus() GPUs {
	driver, err := s.Driver()
	if err != nil {
		return GPUs{Found: []GPU{}, Lacks: []Lack{lack(err)}}
	}
	g := GPUs{
		Library: driver.Path(), CUDA: fmt.Sprintf("%d.%d", driver.Version()/1000, driver.Version()%1000/10),
		Found: []GPU{}, Lacks: []Lack{},
	}
	for ordinal := range driver.DeviceCount() {
		d, err := driver.Device(ordinal)
		if err != nil {
			g.Lacks = append(g.Lacks, lack(err))
			continue
		}
		exports, err := d.Attribute(cudaffi.AttributeDMABuf)
		g.Found = append(g.Found, GPU{
			DMABuf: err == nil && exports != 0, Ordinal: ordinal, Name: d.Name, Memory: d.Memory, Capability: d.Capability.String(), PCI: d.PCIBusID, UUID: d.UUID.String(),
		})
		if c := d.Capability; c.Major < oldest.Major || c.Major == oldest.Major && c.Minor < oldest.Minor {
			g.Lacks = append(g.Lacks, Lack{
				fmt.Sprintf("%s has compute capability %v", d.Name, c), fmt.Sprintf("use a GPU with %v or newer: Turing's, or a later generation", oldest),
			})
		}
	}
	return g
}

// lack is an error as something lacking. Errors about CUDA know their remedies.
func lack(err error) Lack {
	var known interface {
		Reason() string
		Remedy() string
	}
	if errors.As(err, &known) {
		return Lack{known.Reason(), known.Remedy()}
	}
	return Lack{What: err.Error()}
}
