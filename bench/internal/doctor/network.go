package doctor

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

const selection = "NCCL_SOCKET_IFNAME"

func (s System) network() Network {
	n := Network{Selection: s.Env(selection), Addresses: []string{}, Lacks: []Lack{}}
	var err error
	if n.Interfaces, err = s.Interfaces(); err != nil {
		n.Lacks = append(n.Lacks, Lack{fmt.Sprintf("the network interfaces cannot be listed: %v", err), ""})
		n.Interfaces = []Interface{}
	}
	for i := range n.Interfaces {
		n.Interfaces[i].MbitPerS = s.speed(n.Interfaces[i].Name)
	}
	addresses, err := s.Addresses(n.Selection)
	if err != nil {
		remedy := "bring a network interface up"
		if n.Selection != "" {
			remedy = fmt.Sprintf("%s is %q: name interfaces of this machine (%s), or unset it", selection, n.Selection, names(n.Interfaces))
		}
		n.Lacks = append(n.Lacks, Lack{err.Error(), remedy})
		return n
	}
	for _, a := range addresses {
		n.Addresses = append(n.Addresses, a.String())
	}
	if !slices.ContainsFunc(addresses, func(a netip.Addr) bool { return !a.IsLoopback() }) {
		n.Lacks = append(n.Lacks, Lack{
			"only loopback addresses are offered, so all ranks have to be on this machine",
			fmt.Sprintf("bring a network interface up, and let %s select it", selection),
		})
	}
	return n
}

// speed is the rate of an interface, 0 if unknown, as it is for virtual ones.
func (s System) speed(name string) int {
	text, err := os.ReadFile(s.file("sys/class/net", name, "speed"))
	if err != nil {
		return 0
	}
	rate, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return max(rate, 0)
}

func names(all []Interface) string {
	var list []string
	for _, one := range all {
		list = append(list, one.Name)
	}
	return strings.Join(list, ", ")
}
