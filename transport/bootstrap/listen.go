package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"github.com/monel-dev/monel/transport"
)

// listenAt listens on host:port. A host that is a literal address of this
// machine, or "localhost", binds that address alone; another host name, or an
// address that is not of this machine (a service address in front of it), binds
// all interfaces, because what others see under that name need not be what this
// machine sees.
func listenAt(ctx context.Context, addr string) (ln net.Listener, anywhere bool, err error) {
	host, port, err := splitAddr(addr)
	if err != nil {
		return nil, false, err
	}
	var lc net.ListenConfig
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "localhost":
	case host == "" || err == nil && ip.IsUnspecified():
		anywhere = true
	case err != nil:
		if _, err := resolve(ctx, host, port); err != nil {
			return nil, false, err
		}
		host, anywhere = "", true
	}
	ln, err = lc.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(int(port))))
	if errors.Is(err, syscall.EADDRNOTAVAIL) && host != "" {
		anywhere = true
		ln, err = lc.Listen(ctx, "tcp", net.JoinHostPort("", strconv.Itoa(int(port))))
	}
	if err != nil {
		return nil, false, listenError(addr, err)
	}
	return ln, anywhere, nil
}

func listenError(addr string, err error) error {
	switch {
	case isAddrInUse(err):
		return fmt.Errorf("%w: cannot listen on %s: the port is in use by another process of this host; choose another port, or end the job that holds it (%w)", ErrAddress, addr, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: cannot listen on %s: not permitted; choose a port of 1024 or above (%w)", ErrAddress, addr, err)
	}
	return fmt.Errorf("%w: cannot listen on %s: %w", ErrAddress, addr, err)
}

func isAddrInUse(err error) bool {
	const wsaeaddrinuse = syscall.Errno(10048) // Windows gives its own number
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, wsaeaddrinuse)
}

func splitAddr(addr string) (host string, port uint16, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("%w: %q is not host:port (an IPv6 address goes in brackets): %w", ErrAddress, addr, err)
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%w: %q: port %q is not a number from 0 to 65535", ErrAddress, addr, p)
	}
	return host, uint16(n), nil
}

// resolve looks host up. The error tells a name that does not exist from a name
// service that does not answer.
func resolve(ctx context.Context, host string, port uint16) ([]netip.AddrPort, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(ip, port)}, nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("%w: cannot resolve host name %q: %w; check the name, or give the address itself", ErrAddress, host, err)
	}
	addrs := make([]netip.AddrPort, 0, len(ips))
	for _, ip := range ips {
		addrs = append(addrs, netip.AddrPortFrom(ip.Unmap(), port))
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("%w: host name %q has no address", ErrAddress, host)
	}
	return addrs, nil
}

// addrPort is the address of a TCP endpoint, unmapped.
func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// HostAddrs lists the addresses by which other hosts may reach this one, best
// first and at most limit, from the interfaces that spec selects in the syntax
// of MatchInterface; loopback only when there is no other.
func HostAddrs(spec string, limit int) ([]netip.Addr, error) {
	return hostAddrs(spec, AnyFamily, limit)
}

// hostAddrs is HostAddrs for the addresses of a family.
func hostAddrs(spec, family string, limit int) ([]netip.Addr, error) {
	ifaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("%w: cannot list network interfaces: %w", ErrAddress, err)
	}
	var v4, v6, inner, loop []netip.Addr
	for _, ifc := range ifaces {
		if ifc.Flags&net.FlagUp == 0 || !MatchInterface(spec, ifc.Name) {
			continue
		}
		addrs, err := ifc.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			n, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			ip, ok := netip.AddrFromSlice(n.IP)
			ip = ip.Unmap()
			switch {
			case !ok || ip.IsLinkLocalUnicast() || ip.IsMulticast() || !familyHas(family, ip):
			case ip.IsLoopback():
				loop = append(loop, ip)
			case spec == "" && strings.HasPrefix(ifc.Name, "docker"):
				inner = append(inner, ip) // a network of this host alone
			case ip.Is4():
				v4 = append(v4, ip)
			default:
				v6 = append(v6, ip)
			}
		}
	}
	all := append(v4, v6...)
	for _, other := range [][]netip.Addr{inner, loop} {
		if len(all) == 0 {
			all = other
		}
	}
	if len(all) == 0 {
		of := ""
		if family != AnyFamily {
			of = " of the family " + family
		}
		return nil, fmt.Errorf("%w: no network interface with an address%s matches %q: %w", ErrAddress, of, spec, transport.ErrUnavailable)
	}
	return all[:min(len(all), limit)], nil
}
