package bootstrap

import (
	"context"
	"fmt"
	"net/netip"
)

// The flags of an ID, its byte 9. All of them are about ids that name an address known
// in advance, where nobody listens before rank 0 does.
const (
	idAtRank0   = 1 << iota // the process of rank 0 is the root, and listens when it connects
	idGuessable             // the secret is made of what others may know
	idAnywhere              // the address was a name, which need not mean to rank 0 what it means to others
)

// knownIDFlags reports whether flags are some that an ID can have: all need the first.
func knownIDFlags(flags byte) bool {
	return flags == 0 || flags&idAtRank0 != 0 && flags&^(idAtRank0|idGuessable|idAnywhere) == 0
}

// MeetAtRank0 makes an ID of an address, host:port, and a secret alone: every process that
// calls it with these gets one that leads to the same root, so it need not be handed over.
// Nobody listens yet; the process of rank 0 does when it connects with the ID, as long as
// its Connect takes. So the ID serves one world after the other. Guessable says that the
// secret is made of what others may know.
//
// Several processes get the same bytes if the host means the same addresses to them.
// Interface and family choose the addresses of this host, for a name that means only
// loopback here, as a host's own name often does. Errors wrap ErrAddress.
func MeetAtRank0(ctx context.Context, addr string, secret Secret, guessable bool, iface, family string) (ID, error) {
	host, port, err := splitAddr(addr)
	switch {
	case err != nil:
		return ID{}, err
	case host == "" || port == 0:
		return ID{}, fmt.Errorf("%w: %q: the host and the port of rank 0 must be known in advance", ErrAddress, addr)
	}
	roots, err := resolve(ctx, host, port)
	if err != nil {
		return ID{}, err
	}
	flags := byte(idAtRank0)
	if guessable {
		flags |= idGuessable
	}
	if _, err := netip.ParseAddr(host); err != nil {
		if roots, err = ofFamily(family, host, roots); err != nil {
			return ID{}, err
		}
		if host != "localhost" {
			flags |= idAnywhere
			roots = beyondLoopback(roots, iface, family)
		}
	}
	id, err := MakeID(secret, roots[:min(len(roots), MaxRoots)]...)
	if err != nil {
		return ID{}, fmt.Errorf("%w: %q: %w", ErrAddress, addr, err)
	}
	id.setFlags(flags)
	return id, nil
}

// beyondLoopback are the roots, or this host's other addresses if all are of loopback.
func beyondLoopback(roots []netip.AddrPort, iface, family string) []netip.AddrPort {
	for _, r := range roots {
		if !r.Addr().IsLoopback() {
			return roots
		}
	}
	ips, err := hostAddrs(iface, family, MaxRoots)
	if err != nil {
		return roots
	}
	var others []netip.AddrPort
	for _, ip := range ips {
		others = append(others, netip.AddrPortFrom(ip, roots[0].Port()))
	}
	return others
}

// AtRank0 reports whether the process of rank 0 is the root, and nobody listens before it
// connects: the id is one of MeetAtRank0.
func (id *ID) AtRank0() bool { return id[idFlagsAt]&idAtRank0 != 0 }

// Guessable reports whether the secret is made of what others than the job's ranks may
// know.
func (id *ID) Guessable() bool { return id[idFlagsAt]&idGuessable != 0 }

// listenAddr is where the process of rank 0 listens.
func (id *ID) listenAddr() string {
	at := id.Roots()[0]
	if id[idFlagsAt]&idAnywhere != 0 {
		return fmt.Sprintf(":%d", at.Port())
	}
	return at.String()
}
