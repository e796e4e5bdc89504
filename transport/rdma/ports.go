package rdma

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
)

// Port is a port of an RDMA device, as the system describes it.
type Port struct {
	Device     string
	Number     int
	Active     bool
	InfiniBand bool // else Ethernet: RoCE
	GbitPerS   float64
	NodeType   string // "CA" for InfiniBand and RoCE; empty if unknown
	NUMANode   int    // -1 if unknown
	NetDevice  string // of the first GID; empty on InfiniBand
	GIDs       []GID
}

// GID is an entry of a port's GID table.
type GID struct {
	Index   int
	Address netip.Addr
	Type    string // "IB/RoCE v1" or "RoCE v2"
}

// Name is the port as users write it: device:port.
func (p *Port) Name() string { return fmt.Sprintf("%s:%d", p.Device, p.Number) }

// Choice is a port that was chosen, with the GID to use.
type Choice struct {
	Port
	GID GID
}

// Choose picks the ports to use, the best first, of those there are. If there is
// none, the error wraps transport.ErrUnavailable and says why each port that there
// is was not taken.
func (s Settings) Choose(ports []Port) ([]Choice, error) {
	s.fill()
	if s.Disabled {
		return nil, unavailable("it is switched off", "unset NCCL_IB_DISABLE")
	}
	if len(ports) == 0 {
		return nil, unavailable("there is no RDMA device in /sys/class/infiniband",
			"load the adapter's kernel module, or let a network card play one: rdma link add rxe0 type rxe netdev eth0")
	}
	var chosen []Choice
	var why []string
	for _, p := range ports {
		switch gid, ok := s.gid(&p); {
		case !s.matches(p.Device, p.Number):
			why = append(why, fmt.Sprintf("%s is not selected by NCCL_IB_HCA=%s", p.Name(), s.HCA))
		case p.NodeType != "" && p.NodeType != "CA":
			why = append(why, fmt.Sprintf("%s is of type %s and has no reliable connections as InfiniBand and RoCE have them", p.Name(), p.NodeType))
		case !p.Active:
			why = append(why, fmt.Sprintf("%s is down: connect its cable, or bring its network device up", p.Name()))
		case !ok && s.GIDIndex != nil:
			why = append(why, fmt.Sprintf("%s has no GID %d: change or unset NCCL_IB_GID_INDEX", p.Name(), *s.GIDIndex))
		case !ok:
			why = append(why, fmt.Sprintf("%s has no GID: give its network device %s an address", p.Name(), p.NetDevice))
		default:
			chosen = append(chosen, Choice{p, gid})
		}
	}
	if len(chosen) == 0 {
		return nil, unavailable(strings.Join(why, "; "), "")
	}
	slices.SortStableFunc(chosen, func(a, b Choice) int { return cmp.Compare(b.GbitPerS, a.GbitPerS) })
	return chosen, nil
}

// gid picks the GID of a port.
func (s *Settings) gid(p *Port) (GID, bool) {
	best, rank := GID{}, 0
	for _, g := range p.GIDs {
		r := 1
		if s.GIDIndex != nil {
			if g.Index == *s.GIDIndex {
				return g, true
			}
			continue
		}
		if !p.InfiniBand && strings.Contains(g.Type, "v2") {
			switch {
			case g.Address.Is4In6():
				r = 4
			case !g.Address.IsLinkLocalUnicast():
				r = 3
			default:
				r = 2
			}
		}
		if r > rank {
			best, rank = g, r
		}
	}
	return best, rank > 0
}

// rails are the ports of one rank among those chosen for its machine: the fastest
// ones, of which each rank takes the next.
func (s *Settings) rails(chosen []Choice, localRank int) []Choice {
	fast := 0
	for fast < len(chosen) && chosen[fast].GbitPerS == chosen[0].GbitPerS && chosen[fast].InfiniBand == chosen[0].InfiniBand {
		fast++
	}
	var rails []Choice
	for i := range min(s.Rails, fast) {
		rails = append(rails, chosen[(localRank*s.Rails+i)%fast])
	}
	return rails
}

// Kind is a kind of network. Ranks whose ports are of different kinds do not reach
// each other.
type Kind uint8

// The kinds; 0 is none.
const (
	Ethernet   Kind = 1 // RoCE
	InfiniBand Kind = 2
)

func (p *Port) kind() Kind {
	if p.InfiniBand {
		return InfiniBand
	}
	return Ethernet
}

// Find chooses among the ports of this machine, as New does, the best first. The
// error wraps transport.ErrUnavailable and says what is missing: the library, a
// device, or what keeps each port from being used.
func Find(s Settings) ([]Choice, error) {
	if s.Disabled {
		return s.Choose(nil)
	}
	if err := ibv.Available(); err != nil {
		return nil, because(err)
	}
	return s.Choose(Ports())
}

// UnavailableError says why RDMA cannot be used here. It wraps
// transport.ErrUnavailable.
type UnavailableError struct {
	Why, What string // the reason, and the remedy if it is not part of that
	Err       error  // the cause, if it is an error
}

func (e *UnavailableError) Error() string {
	text := "rdma: RDMA is not available: " + e.Why
	if e.What != "" {
		text += ": " + e.What
	}
	return text
}

// Unwrap returns ErrUnavailable and the cause.
func (e *UnavailableError) Unwrap() []error {
	if e.Err == nil {
		return []error{transport.ErrUnavailable}
	}
	return []error{transport.ErrUnavailable, e.Err}
}

func unavailable(why, what string) error { return &UnavailableError{Why: why, What: what} }

// because makes an error of the library one of this package; nil stays nil.
func because(err error) error {
	if err == nil || errors.Is(err, transport.ErrUnavailable) {
		return err
	}
	return &UnavailableError{Why: err.Error(), Err: err}
}
