package rdma

import (
	"path/filepath"
	"strconv"
	"strings"
)

// Distance is how far a GPU and an adapter are from each other, by NCCL's names.
type Distance uint8

// The distances, the nearest first.
const (
	LOC Distance = iota + 1 // nowhere: nothing is so near
	PIX                     // under one PCI switch, or functions of one device
	PXB                     // several PCI switches between them, but no processor
	PHB                     // a processor between them, and both on one NUMA node
	SYS                     // anything else
)

var distanceNames = [...]string{"", "LOC", "PIX", "PXB", "PHB", "SYS"}

// String is NCCL's name.
func (d Distance) String() string {
	if int(d) < len(distanceNames) {
		return distanceNames[d]
	}
	return ""
}

// distanceNamed reads a value of NCCL_NET_GDR_LEVEL: a name, or a number from 0 on,
// which NCCL had before it had names, and of which all from 4 on mean SYS. 0 is none of
// them.
func distanceNamed(text string) Distance {
	for d := LOC; d <= SYS; d++ {
		if strings.EqualFold(text, d.String()) {
			return d
		}
	}
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return LOC + Distance(min(n, uint64(SYS-LOC)))
	}
	return 0
}

// between is how far the GPU at a place of the PCI bus is from an RDMA device, by the
// links that sysfs, which is at root, has to their places on the bus:
//
//	…/pci0000:16/0000:16:01.0/0000:17:00.0/0000:18:00.0/0000:19:00.0
//	  processor  port of it   switch       port of it   device
//
// Where it has none, as for adapters made of software, they are far from each other.
func between(root, gpu, device string) Distance {
	of := func(link string) (path []string, node string) {
		target, err := filepath.EvalSymlinks(link)
		if err != nil {
			return nil, ""
		}
		parts := strings.Split(filepath.ToSlash(target), "/")
		for i, part := range parts {
			if strings.HasPrefix(part, "pci") {
				return parts[i:], attribute(target, "numa_node")
			}
		}
		return nil, ""
	}
	one, node := of(filepath.Join(root, "bus/pci/devices", strings.ToLower(gpu)))
	other, otherNode := of(filepath.Join(root, "class/infiniband", device, "device"))
	if one == nil || other == nil {
		return SYS
	}
	same := 0
	for same < len(one) && same < len(other) && one[same] == other[same] {
		same++
	}
	switch rest := max(len(one), len(other)) - same; {
	case same == 0 && node != otherNode:
		return SYS
	case same <= 1:
		return PHB
	case rest <= 2:
		return PIX
	}
	return PXB
}
