package bootstrap

import (
	"fmt"
	"net/netip"
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
