package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/monel-dev/monel/transport"
)

// DefaultTimeout is how long Connect waits for all ranks.
const DefaultTimeout = 5 * time.Minute

// Config says who this process is and where the ranks meet. There are two ways
// to say where: ID, for a root that some process made with NewRoot; or Addr and
// Secret, and then rank 0 is the root. A world of one needs neither.
type Config struct {
	Rank, Size int

	ID      ID     // of a root that listens, or will; rank 0 is that root if ID.AtRank0
	AtRank0 bool   // the process of rank 0 hosts that root, so if it is not reached rank 0 is lost
	Addr    string // host:port where rank 0 shall listen and the others find it
	Secret  Secret // shared by all ranks, with Addr

	// Timeout bounds the whole of Connect; 0 means DefaultTimeout.
	Timeout time.Duration
	// Listen is the host:port of this rank's own listener. Empty means the
	// interface by which it reaches the root, on a port the system chooses.
	Listen string
	// Advertise is the address at which others reach that listener, when it is
	// not the one it is bound to.
	Advertise netip.AddrPort
	// Interface selects the network interface of this rank's listener, in the
	// syntax of MatchInterface (that of NCCL_SOCKET_IFNAME).
	Interface string
	// Family is AnyFamily, IPv4 or IPv6: of which family the addresses are that this
	// rank uses.
	Family string
	// Fingerprint describes the configuration that all ranks must share, in
	// words; at most 1024 bytes. Ranks that differ get a WorldError.
	Fingerprint string
	// Info is put in the table for the other ranks to see; at most MaxInfo
	// bytes.
	Info []byte
	// Joined, if not nil, is called once this rank has the table. On rank 0 it
	// has returned before Connect returns on any rank.
	Joined func()
	// Handler receives control messages; see Control.Handle. It may run before
	// Connect returns. Nil leaves messages waiting until Control.Handle is
	// called.
	Handler func(from int, payload []byte)
	// Control sets the times of the control plane.
	Control ControlConfig
	// Logger; nil means slog.Default.
	Logger *slog.Logger

	version uint16        // for tests
	strange time.Duration // for tests
}

func (cfg *Config) validate() error {
	switch {
	case cfg.Size < 1 || cfg.Size > MaxSize:
		return fmt.Errorf("%w: world size %d is not in [1, %d]", ErrLaunch, cfg.Size, MaxSize)
	case cfg.Rank < 0 || cfg.Rank >= cfg.Size:
		return fmt.Errorf("%w: rank %d is not in [0, %d); ranks count from 0", ErrLaunch, cfg.Rank, cfg.Size)
	case len(cfg.Fingerprint) > maxFingerprint:
		return fmt.Errorf("%w: fingerprint of %d bytes, at most %d are possible", ErrLaunch, len(cfg.Fingerprint), maxFingerprint)
	case len(cfg.Info) > MaxInfo:
		return fmt.Errorf("%w: info of %d bytes, at most %d are possible", ErrLaunch, len(cfg.Info), MaxInfo)
	case cfg.Size == 1:
		return nil
	case cfg.ID.IsZero() == (cfg.Addr == ""):
		return fmt.Errorf("%w: a world of %d ranks needs either a unique id or the address of rank 0", ErrLaunch, cfg.Size)
	case cfg.Addr != "" && cfg.Secret.IsZero():
		return fmt.Errorf("%w: joining by address needs a secret that all ranks share", ErrLaunch)
	}
	if cfg.Addr != "" {
		if _, port, err := splitAddr(cfg.Addr); err != nil {
			return err
		} else if port == 0 {
			return fmt.Errorf("%w: %q: the port of rank 0 must be known in advance", ErrAddress, cfg.Addr)
		}
		return nil
	}
	return cfg.ID.Validate()
}

// Connect joins this process to the others of its world. It returns when the
// control links of all ranks stand, or with the reason why they do not, within
// cfg.Timeout and about a second. The caller closes the Session after the
// Control. Errors that concern the world as a whole are *WorldError; others are
// *transport.RankError or wrap ErrLaunch or ErrAddress.
func Connect(ctx context.Context, cfg Config) (*Session, *Control, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Control.Logger == nil {
		cfg.Control.Logger = cfg.Logger
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.version == 0 {
		cfg.version = ProtocolVersion
	}
	if cfg.strange == 0 {
		cfg.strange = strangeRootTime
	}
	if err := cfg.validate(); err != nil {
		return nil, nil, &transport.RankError{Rank: cfg.Rank, Doing: "bootstrap", Err: err}
	}
	if cfg.Size > 1 {
		if err := checkFIPS(); err != nil {
			return nil, nil, &transport.RankError{Rank: cfg.Rank, Doing: "bootstrap", Err: err}
		}
	}
	deadline := time.Now().Add(cfg.Timeout)
	self := Peer{Rank: cfg.Rank, Host: LocalHost(), PID: os.Getpid(), Info: append([]byte(nil), cfg.Info...)}
	if cfg.Size == 1 {
		s := newSession(0, 1, nil, cfg.version)
		s.join(&Table{Peers: []Peer{self}, session: newSessionID()})
		c, err := NewCoordinator(cfg.Control, make([]net.Conn, 1))
		if err != nil {
			return nil, nil, err
		}
		if cfg.Handler != nil {
			c.Handle(cfg.Handler)
		}
		return s, c, nil
	}

	secret := cfg.Secret
	if cfg.Addr == "" {
		secret = cfg.ID.Secret()
	}
	var root *Root
	if at := cfg.listenAsRoot(); at != "" {
		var err error
		root, err = NewRoot(ctx, RootConfig{Addr: at, Secret: secret, Interface: cfg.Interface, Logger: cfg.Logger, version: cfg.version})
		if err != nil {
			return nil, nil, &transport.RankError{Rank: cfg.Rank, Doing: "bootstrap", Err: err}
		}
	}
	s := newSession(cfg.Rank, cfg.Size, handshakeKey(secret), cfg.version)
	c, err := cfg.connect(ctx, s, self, root, deadline)
	if root != nil {
		var world *WorldError
		if errors.As(err, &world) && world.Reason != MissingRanks {
			// Those who come a little later shall hear of it too, rather
			// than find nobody.
			root.linger(min(time.Second, time.Until(deadline)))
		}
		root.Close()
	}
	if err != nil {
		s.Close()
		return nil, nil, err
	}
	return s, c, nil
}

// listenAsRoot is where this process is to listen as the root, "" if it is not the one.
func (cfg *Config) listenAsRoot() string {
	switch {
	case cfg.Rank != 0:
		return ""
	case cfg.Addr != "":
		return cfg.Addr
	case cfg.ID.AtRank0():
		return cfg.ID.listenAddr()
	}
	return ""
}

func (cfg *Config) connect(ctx context.Context, s *Session, self Peer, root *Root, deadline time.Time) (*Control, error) {
	j := &joining{
		self: self, size: cfg.Size, fingerprint: cfg.Fingerprint, key: s.key, version: cfg.version,
		patience: time.Until(deadline), strange: cfg.strange, instance: rand.Uint64(), log: cfg.Logger,
	}
	local := false // the root is reached by a name that means this machine, on every machine
	switch {
	case root != nil:
		ap := root.Addr()
		if ap.Addr().IsUnspecified() {
			ap = netip.AddrPortFrom(loopback(ap.Addr()), ap.Port())
		} else {
			local = ap.Addr().IsLoopback()
		}
		if j.where = cfg.Addr; j.where == "" {
			j.where = ap.String()
		}
		j.roots = func(context.Context) ([]netip.AddrPort, error) { return []netip.AddrPort{ap}, nil }
	case cfg.Addr != "":
		host, port, err := splitAddr(cfg.Addr)
		if err != nil {
			return nil, err
		}
		ip, err := netip.ParseAddr(host)
		local = host == "localhost" || err == nil && ip.IsLoopback()
		j.where, j.atRank0 = cfg.Addr, true
		j.roots = func(ctx context.Context) ([]netip.AddrPort, error) {
			addrs, err := resolve(ctx, host, port)
			if err != nil {
				return nil, err
			}
			return ofFamily(cfg.Family, host, addrs)
		}
	default:
		roots, err := ofFamily(cfg.Family, "of the unique id", cfg.ID.Roots())
		if err != nil {
			return nil, err
		}
		j.where, j.atRank0 = roots[0].String(), cfg.AtRank0 || cfg.ID.AtRank0()
		j.roots = func(context.Context) ([]netip.AddrPort, error) { return roots, nil }
		local = true
		for _, r := range roots {
			local = local && r.Addr().IsLoopback()
		}
	}
	j.listen = func(reached netip.Addr) (netip.AddrPort, bool, error) {
		ln, addr, anywhere, err := cfg.listen(ctx, reached, local)
		if err != nil {
			return netip.AddrPort{}, false, err
		}
		s.listen(ln, &strangerLog{logger: cfg.Logger, where: "rank " + strconv.Itoa(cfg.Rank) + " at " + ln.Addr().String()})
		return addr, anywhere, nil
	}
	table, err := j.join(ctx)
	if err != nil {
		return nil, err
	}
	s.join(table)
	if cfg.Rank != 0 && cfg.Joined != nil {
		cfg.Joined()
	}
	return cfg.star(ctx, s, deadline, func() {
		// Before anybody goes on: a rank that starts its next Connect at once
		// must not find the root of this one.
		if root != nil {
			root.Close()
		}
		if cfg.Rank == 0 && cfg.Joined != nil {
			cfg.Joined()
		}
	})
}

func loopback(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	// A wildcard listener takes IPv4, too, unless the machine has none.
	if ln, err := net.Listen("tcp4", "127.0.0.1:0"); err == nil {
		ln.Close()
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// listen opens this rank's own listener. reached is the address by which this
// rank reached the root; local says that the root's address is a loopback one by
// the user's own choice, so that all ranks are on this machine.
func (cfg *Config) listen(ctx context.Context, reached netip.Addr, local bool) (ln net.Listener, addr netip.AddrPort, anywhere bool, err error) {
	want := cfg.Listen
	if want == "" {
		ip := reached
		if (cfg.Interface != "" || !familyHas(cfg.Family, reached)) && !local {
			ips, err := hostAddrs(cfg.Interface, cfg.Family, 64)
			if err != nil {
				return nil, netip.AddrPort{}, false, err
			}
			ip = ips[0]
			for _, other := range ips {
				if other == reached {
					ip = reached
				}
			}
		}
		anywhere = ip.IsLoopback() && !local
		want = net.JoinHostPort(ip.String(), "0")
		if anywhere {
			want = ":0"
		}
		reached = ip
	}
	ln, wild, err := listenAt(ctx, want)
	if err != nil {
		return nil, netip.AddrPort{}, false, err
	}
	addr = addrPort(ln.Addr())
	if wild || addr.Addr().IsUnspecified() {
		addr = netip.AddrPortFrom(reached, addr.Port())
	}
	if cfg.Advertise.IsValid() {
		addr, anywhere = cfg.Advertise, false
		if addr.Port() == 0 {
			addr = netip.AddrPortFrom(addr.Addr(), addrPort(ln.Addr()).Port())
		}
	}
	return ln, addr, anywhere, nil
}
