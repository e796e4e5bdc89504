package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// RootConfig says how a root listens.
type RootConfig struct {
	// Addr is the host:port to listen on; port 0 lets the system choose. Empty
	// means every interface that Interface selects, on a port the system
	// chooses.
	Addr string
	// Secret is what the ranks must prove; zero means a fresh random one.
	Secret Secret
	// Interface selects network interfaces, in the syntax of MatchInterface.
	Interface string
	// Family is AnyFamily, IPv4 or IPv6: of which family the addresses are that the id
	// lists, where they are not given by Addr.
	Family string
	// Logger receives what is dropped and why; nil means slog.Default.
	Logger *slog.Logger

	version uint16 // of the protocol, for tests
	timeout time.Duration
	probe   time.Duration
	apart   bool // ranks of this host count as of others, for tests
}

// Root is where the ranks of one communicator meet. It serves one world: after
// every rank has got the table, or the same error, it is done. It lives in any
// process that the ranks can reach, a rank or not.
type Root struct {
	cfg      RootConfig
	id       ID
	gate     *gate
	anywhere bool

	joins  chan *joiner
	leaves chan *joiner
	probes chan *joiner // answers to pings
	differ chan *WorldError
	gone   chan *joiner  // told, or lost
	stop   chan struct{} // closed by Close
	formed chan struct{} // closed when the outcome is known
	done   chan struct{} // closed when there is nothing left to do
	quit   chan struct{} // closed when serve has ended

	closeOnce sync.Once
	wg        sync.WaitGroup
	err       error // after done
}

// NewRoot starts listening. Close the root when it is no longer needed.
func NewRoot(ctx context.Context, cfg RootConfig) (*Root, error) {
	if err := checkFIPS(); err != nil {
		return nil, err
	}
	if cfg.Secret.IsZero() {
		cfg.Secret = NewSecret()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.version == 0 {
		cfg.version = ProtocolVersion
	}
	if cfg.timeout == 0 {
		cfg.timeout = strangerTime
	}
	if cfg.probe == 0 {
		cfg.probe = 2 * time.Second
	}
	addr := cfg.Addr
	if addr == "" {
		addr = ":0"
	}
	ln, anywhere, err := listenAt(ctx, addr)
	if err != nil {
		return nil, err
	}
	bound := addrPort(ln.Addr())
	var roots []netip.AddrPort
	if !bound.Addr().IsUnspecified() {
		roots = []netip.AddrPort{bound}
	} else {
		ips, err := hostAddrs(cfg.Interface, cfg.Family, MaxRoots)
		if err != nil {
			ln.Close()
			return nil, err
		}
		if front, err := netip.ParseAddrPort(addr); err == nil && !front.Addr().IsUnspecified() {
			// An address that is not this machine's, but leads here.
			ips = append([]netip.Addr{front.Addr().Unmap()}, ips[:min(len(ips), MaxRoots-1)]...)
		}
		for _, ip := range ips {
			roots = append(roots, netip.AddrPortFrom(ip, bound.Port()))
		}
	}
	id, err := MakeID(cfg.Secret, roots...)
	if err != nil {
		ln.Close()
		return nil, err
	}
	r := &Root{
		cfg: cfg, id: id, anywhere: anywhere,
		joins: make(chan *joiner), leaves: make(chan *joiner), probes: make(chan *joiner), differ: make(chan *WorldError), gone: make(chan *joiner),
		stop: make(chan struct{}), formed: make(chan struct{}), done: make(chan struct{}), quit: make(chan struct{}),
	}
	r.gate = &gate{
		ln: ln, key: handshakeKey(cfg.Secret), version: cfg.version, timeout: cfg.timeout, limit: strangerLimit,
		decide: func(in intro) status {
			if in.purpose != PurposeRendezvous || in.to != rootRank {
				return statusWrongRank
			}
			return statusOK
		},
		admit: r.admit,
		differ: func(in intro, from net.Addr) {
			e := &WorldError{Reason: VersionMismatch, Text: fmt.Sprintf("the process of rank %d at %v speaks protocol version %d, the root version %d; run the same Monel on every rank", in.from, from, in.version, cfg.version)}
			if in.from < MaxSize {
				e.Ranks = []int{in.from}
			}
			select {
			case r.differ <- e:
			case <-r.quit:
			}
		},
		log: &strangerLog{logger: cfg.Logger, where: "root " + ln.Addr().String()},
	}
	r.wg.Add(1)
	go r.serve()
	r.gate.start()
	return r, nil
}

// ID returns the unique id that leads to this root.
func (r *Root) ID() ID { return r.id }

// Addr returns the address that the root listens on.
func (r *Root) Addr() netip.AddrPort { return addrPort(r.gate.ln.Addr()) }

// Decided is closed when the outcome is known, or the root is closed: its world has been
// formed or never will be, and whoever comes now hears that.
func (r *Root) Decided() <-chan struct{} { return r.formed }

// Done is closed when every rank has acknowledged the outcome, half a minute
// after the outcome when some have not, or when the root is closed. A root that
// is done has nothing left to do; it closes itself if nobody else does.
func (r *Root) Done() <-chan struct{} { return r.done }

// Err is the outcome after Done: nil when the world was formed, a *WorldError
// when it was not.
func (r *Root) Err() error {
	select {
	case <-r.done:
		return r.err
	default:
		return nil
	}
}

// Close stops the root and returns when nothing of it is left. Ranks that are
// still waiting are told so.
func (r *Root) Close() error {
	r.closeOnce.Do(func() { close(r.stop) })
	<-r.quit
	err := r.gate.close()
	r.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}

// linger waits until as many ranks as the world has have heard the outcome,
// or for d.
func (r *Root) linger(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.done:
	case <-timer.C:
	}
}
