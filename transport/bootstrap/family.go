package bootstrap

import (
	"fmt"
	"net/netip"
	"slices"
)

// Families of addresses, as package net names networks. AnyFamily prefers IPv4.
const (
	AnyFamily = ""
	IPv4      = "ip4"
	IPv6      = "ip6"
)

// familyHas reports whether an address is of a family.
func familyHas(family string, ip netip.Addr) bool {
	switch family {
	case IPv4:
		return ip.Is4()
	case IPv6:
		return !ip.Is4()
	}
	return true
}

// ofFamily keeps a host's addresses that are of a family. It is an error if there
// are none.
func ofFamily(family, host string, addrs []netip.AddrPort) ([]netip.AddrPort, error) {
	kept := slices.DeleteFunc(slices.Clone(addrs), func(a netip.AddrPort) bool { return !familyHas(family, a.Addr()) })
	if len(kept) == 0 {
		return nil, fmt.Errorf("%w: host %q has no address of the family %s, which was asked for, only %v", ErrAddress, host, family, addrs)
	}
	return kept, nil
}
