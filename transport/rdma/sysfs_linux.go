package rdma

import (
	"net/netip"
	"os"
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
	p.Active = strings.HasPrefix(attribute(at, "state"), "4:")
	p.InfiniBand = attribute(at, "link_layer") == "InfiniBand"
	p.GbitPerS, _ = strconv.ParseFloat(first(attribute(at, "rate")), 64)
	if n, err := strconv.Atoi(attribute(folder, "device/numa_node")); err == nil {
		p.NUMANode = n
	}
	entries, _ := os.ReadDir(filepath.Join(at, "gids")) // without it there are none
	for _, entry := range entries {
		index, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		address, err := netip.ParseAddr(attribute(at, "gids/"+entry.Name()))
		if err != nil || address.IsUnspecified() {
			continue
		}
		// On Ethernet the kernel refuses to tell the type of an entry without one.
		kind := attribute(at, "gid_attrs/types/"+entry.Name())
		if kind == "" && !p.InfiniBand {
			continue
		}
		p.GIDs = append(p.GIDs, GID{index, address, kind})
		if p.NetDevice == "" {
			p.NetDevice = attribute(at, "gid_attrs/ndevs/"+entry.Name())
		}
	}
	slices.SortFunc(p.GIDs, func(a, b GID) int { return a.Index - b.Index })
	return p
}

// attribute is the content of one of sysfs's small files, empty without one.
func attribute(folder, name string) string {
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func first(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}
