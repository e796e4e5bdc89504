package rdma

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/Mellanox/rdmamap"
)

// Ports lists the ports of this machine's RDMA devices, from sysfs.
func Ports() []Port {
	var ports []Port
	devices := rdmamap.GetRdmaDeviceList()
	slices.Sort(devices)
	for _, device := range devices {
		numbers := rdmamap.GetPorts(device)
		slices.Sort(numbers)
		for _, number := range numbers {
			if n, err := strconv.Atoi(number); err == nil {
				ports = append(ports, describe(device, n))
			}
		}
	}
	return ports
}

func describe(device string, number int) Port {
	folder := filepath.Join(rdmamap.RdmaClassDir, device)
	at := filepath.Join(folder, rdmamap.RdmaPortsdir, strconv.Itoa(number))
	p := Port{Device: device, Number: number, NUMANode: -1}
	_, p.NodeType, _ = strings.Cut(attribute(folder, "node_type"), ": ")
	p.Active = strings.HasPrefix(attribute(at, "state"), "4:")
	p.InfiniBand = attribute(at, "link_layer") == "InfiniBand"
	p.GbitPerS, _ = strconv.ParseFloat(first(attribute(at, "rate")), 64)
	if n, err := strconv.Atoi(attribute(folder, "device/numa_node")); err == nil {
		p.NUMANode = n
	}
	for index, empty := 0, 0; empty < gidGap; index++ {
		name := strconv.Itoa(index)
		address, err := netip.ParseAddr(attribute(at, "gids/"+name))
		if err != nil || address.IsUnspecified() {
			empty++
			continue
		}
		// On Ethernet the kernel refuses to tell the type of an entry without one.
		kind := attribute(at, "gid_attrs/types/"+name)
		if kind == "" && !p.InfiniBand {
			empty++
			continue
		}
		empty = 0
		p.GIDs = append(p.GIDs, GID{index, address, kind})
		if p.NetDevice == "" {
			p.NetDevice = attribute(at, "gid_attrs/ndevs/"+name)
		}
	}
	return p
}

// gidGap is how many empty entries of a GID table in a row end the search for
// more. Tables have up to a thousand entries and are filled from the beginning.
const gidGap = 32

func first(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}
