package bootstrap

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/monel-dev/monel/transport"
)

// MaxSize is the largest world size.
const MaxSize = 1 << 16

// Bounds on what a rank may state about itself.
const (
	MaxInfo        = 4096 // bytes of Peer.Info
	maxFingerprint = 1024
	maxHostField   = 256
)

// Peer is what everybody knows about one rank.
type Peer struct {
	Rank int
	Addr netip.AddrPort // where its listener is reached
	Host Host
	PID  int
	Info []byte // Config.Info of that rank
}

func (p *Peer) where() string {
	return fmt.Sprintf("rank %d (host %s, pid %d)", p.Rank, p.Host.Name, p.PID)
}

// Table lists all ranks. It is the same on every rank, and read-only.
type Table struct {
	Peers   []Peer // indexed by rank
	session sessionID
}

func (p *Peer) encode(e *encoder) {
	e.u32(uint32(p.Rank))
	e.addr(p.Addr)
	for _, s := range p.Host.fields() {
		e.text(*s, maxHostField)
	}
	e.u32(uint32(p.PID))
	e.text(string(p.Info), MaxInfo)
}

func (p *Peer) decode(d *decoder) {
	p.Rank = d.number("rank", 0, MaxSize-1)
	p.Addr = d.addr()
	for _, s := range p.Host.fields() {
		*s = d.text(maxHostField)
	}
	p.PID = d.number("pid", 0, 1<<31-1)
	p.Info = []byte(d.text(MaxInfo))
}

// maxPeer bounds the encoded size of a Peer.
const maxPeer = 4 + 1 + 16 + 2 + 2 + maxZone + numHostFields*(2+maxHostField) + 4 + 2 + MaxInfo

func (t *Table) encode() []byte {
	e := encoder{b: make([]byte, 0, 256*len(t.Peers))}
	e.b = append(e.b, t.session[:]...)
	e.u32(uint32(len(t.Peers)))
	for i := range t.Peers {
		t.Peers[i].encode(&e)
	}
	return e.b
}

func maxTable(size int) int { return sessionSize + 4 + size*maxPeer }

// decodeTable reads the table of a world of the given size.
func decodeTable(b []byte, size int) (*Table, error) {
	d := decoder{b: b}
	t := &Table{}
	copy(t.session[:], d.take(sessionSize))
	n := d.number("world size", size, size)
	if d.err != nil {
		return nil, d.err
	}
	t.Peers = make([]Peer, n)
	for i := range t.Peers {
		p := &t.Peers[i]
		p.decode(&d)
		if d.err == nil && (p.Rank != i || !p.Addr.IsValid() || p.Addr.Port() == 0) {
			d.fail(fmt.Sprintf("entry %d of the table is malformed", i))
		}
		if d.err != nil {
			return nil, d.err
		}
	}
	return t, d.end()
}

// greeting is what a rank says to the root.
type greeting struct {
	peer        Peer
	size        int
	instance    uint64        // random, tells a process that comes again from another one
	patience    time.Duration // how long it will wait
	anywhere    bool          // its listener is bound to all interfaces: Addr may be replaced
	fingerprint string
}

const maxGreeting = maxPeer + 4 + 8 + 8 + 1 + 2 + maxFingerprint

func (g *greeting) encode() []byte {
	var e encoder
	g.peer.encode(&e)
	e.u32(uint32(g.size))
	e.u64(g.instance)
	e.u64(uint64(g.patience))
	if g.anywhere {
		e.u8(1)
	} else {
		e.u8(0)
	}
	e.text(g.fingerprint, maxFingerprint)
	return e.b
}

func decodeGreeting(b []byte) (*greeting, error) {
	d := decoder{b: b}
	g := &greeting{}
	g.peer.decode(&d)
	g.size = d.number("world size", 1, MaxSize)
	g.instance = d.u64()
	g.patience = time.Duration(d.u64())
	switch d.u8() {
	case 0:
	case 1:
		g.anywhere = true
	default:
		d.fail("malformed greeting")
	}
	g.fingerprint = d.text(maxFingerprint)
	if err := d.end(); err != nil {
		return nil, err
	}
	if g.patience < 0 || !g.peer.Addr.IsValid() || g.peer.Addr.Port() == 0 {
		return nil, fmt.Errorf("%w: malformed greeting", transport.ErrProtocol)
	}
	return g, nil
}

// gathering collects greetings until the world is complete. It does no I/O.
type gathering struct {
	size   int // 0 until the first greeting
	first  *greeting
	here   map[int]*greeting
	gone   map[int]*Peer // came and went
	strays []string      // what was turned away and may explain who is missing
}

func newGathering() *gathering {
	return &gathering{here: map[int]*greeting{}, gone: map[int]*Peer{}}
}

// check reports why g does not fit what is there, or nil. It does not look for
// another process with the same rank.
func (c *gathering) check(g *greeting) *WorldError {
	p := &g.peer
	switch {
	case p.Rank >= g.size:
		return &WorldError{RankRange, []int{p.Rank}, fmt.Sprintf("%s says that the world size is %d; ranks go from 0 to %d: check the rank and size given to that process", p.where(), g.size, g.size-1)}
	case c.first == nil:
		return nil
	case g.size != c.first.size:
		return &WorldError{SizeMismatch, sorted(c.first.peer.Rank, p.Rank), fmt.Sprintf("%s says that the world size is %d, %s says %d; start every rank with the same size", c.first.peer.where(), c.first.size, p.where(), g.size)}
	case g.fingerprint != c.first.fingerprint:
		return &WorldError{ConfigMismatch, sorted(c.first.peer.Rank, p.Rank), fmt.Sprintf("%s is configured with %q, %s with %q; give every rank the same options and environment", c.first.peer.where(), c.first.fingerprint, p.where(), g.fingerprint)}
	}
	return nil
}

// duplicate is the error for two living processes with the same rank.
func duplicate(a, b *Peer) *WorldError {
	return &WorldError{DuplicateRank, []int{a.Rank}, fmt.Sprintf("two processes claim to be rank %d: pid %d on host %s and pid %d on host %s; give every process its own rank", a.Rank, a.PID, a.Host.Name, b.PID, b.Host.Name)}
}

// add records g, replacing an earlier greeting of the same rank.
func (c *gathering) add(g *greeting) {
	if c.first == nil {
		c.first, c.size = g, g.size
	}
	c.here[g.peer.Rank] = g
	delete(c.gone, g.peer.Rank)
}

// remove forgets g, whose process went away.
func (c *gathering) remove(g *greeting) {
	if c.here[g.peer.Rank] != g {
		return
	}
	delete(c.here, g.peer.Rank)
	c.gone[g.peer.Rank] = &g.peer
	if len(c.here) == 0 {
		// Nobody is left to disagree with: a new set of processes may come.
		c.first, c.size = nil, 0
		return
	}
	if c.first == g {
		for _, other := range c.here {
			c.first = other
			break
		}
	}
}

func (c *gathering) complete() bool { return c.size > 0 && len(c.here) == c.size }

// missing is the error when time is up after waited.
func (c *gathering) missing(waited time.Duration) *WorldError {
	e := &WorldError{Reason: MissingRanks}
	total := 0
	for r := range c.size {
		if c.here[r] == nil {
			total++
			if len(e.Ranks) < MaxNamedRanks {
				e.Ranks = append(e.Ranks, r)
			}
		}
	}
	e.Text = fmt.Sprintf("after %v, %d of %d ranks have come; missing: %s", waited.Round(time.Millisecond), len(c.here), c.size, ranges(e.Ranks))
	if total > len(e.Ranks) {
		e.Text += fmt.Sprintf(" and %d more", total-len(e.Ranks))
	}
	for _, r := range e.Ranks {
		if p := c.gone[r]; p != nil {
			e.Text += fmt.Sprintf("; %s came and went", p.where())
		}
	}
	for _, s := range c.strays {
		e.Text += "; " + s
	}
	e.Text += "; check that those processes were started, reach the root's address, and have the same secret"
	return e
}

// ranges writes ascending numbers as "1, 3-5".
func ranges(ranks []int) string {
	var s []byte
	for i := 0; i < len(ranks); {
		j := i
		for j+1 < len(ranks) && ranks[j+1] == ranks[j]+1 {
			j++
		}
		if len(s) > 0 {
			s = append(s, ", "...)
		}
		s = fmt.Appendf(s, "%d", ranks[i])
		if j > i {
			s = fmt.Appendf(s, "-%d", ranks[j])
		}
		i = j + 1
	}
	return string(s)
}

func sorted(ranks ...int) []int {
	slices.Sort(ranks)
	return ranks
}
