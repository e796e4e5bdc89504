package engine

import (
	"context"
	"net/netip"

	"github.com/monel-dev/monel/engine/internal/logging"
	"github.com/monel-dev/monel/internal/environ"
	"github.com/monel-dev/monel/transport/bootstrap"
	"github.com/monel-dev/monel/transport/bootstrap/launch"
)

// UniqueID identifies a communicator to its ranks: 128 bytes that hold the
// address at which they meet and the secret by which they know each other. Keep
// it as secret as the job's data; its String hides the secret, its Text, for
// handing it over, does not.
type UniqueID = bootstrap.ID

// ParseUniqueID reads what UniqueID.Text has written.
func ParseUniqueID(text string) (UniqueID, error) { return bootstrap.ParseIDText(text) }

// NewUniqueID makes an id and starts to listen, in this process, for the ranks
// of the communicator that is made with it. The process must live until Init
// has returned on all ranks; it need not be a rank itself. Each id serves one
// communicator.
//
// As with ncclGetUniqueId, the environment has a say in where that is: NCCL_SOCKET_IFNAME
// and NCCL_SOCKET_FAMILY select addresses of this host, of which the id lists the best.
//
// With NCCL_COMM_ID, host:port of rank 0, nothing listens before rank 0's Init does. The
// id is made from that address and from the job's secret, MONEL_SECRET, so every process
// that calls NewUniqueID gets the same one, and none has to be handed over. It serves one
// communicator after the other; two at the same time meet on the same port, and the
// second one's rank 0 gets an error that wraps bootstrap.ErrAddress. Without MONEL_SECRET
// it is as with launchers that give ranks no secret: rank 0 logs that others may guess it,
// and Config.Encrypt is refused.
func NewUniqueID() (UniqueID, error) { return NewUniqueIDWith(SettingsFromEnv()) }

// NewUniqueIDWith is NewUniqueID with the given settings in place of the environment's:
// Interface, Family and Logger, and Root as the address to listen on, in this process.
// What SettingsFromEnv or FromEnv has found in NCCL_COMM_ID counts if Root is empty.
func NewUniqueIDWith(cfg Config) (UniqueID, error) {
	if cfg.atCommID() {
		return cfg.commUniqueID()
	}
	return newUniqueID(cfg.root())
}

// atCommID reports whether the ranks of an id meet where NCCL_COMM_ID says.
func (cfg *Config) atCommID() bool { return cfg.Root == "" && cfg.commID != nil }

// commUniqueID is the id that every process makes of NCCL_COMM_ID.
func (cfg *Config) commUniqueID() (UniqueID, error) {
	at := cfg.commID
	return bootstrap.MeetAtRank0(context.Background(), at.addr, at.secret, at.guessable, cfg.Interface, cfg.Family)
}

// commID is what NCCL_COMM_ID says, and the secret of those who meet there.
type commID struct {
	addr      string
	secret    bootstrap.Secret
	guessable bool
}

// commIDFrom reads it, nil if it is not set. Which secret the ranks share is asked of the same variables.
func commIDFrom(r *environ.Reader, getenv func(string) string) *commID {
	at := &commID{addr: r.Text("NCCL_COMM_ID")}
	if at.addr == "" {
		return nil
	}
	at.secret, at.guessable = launch.SecretFor(getenv, at.addr)
	return at
}

// root is where the settings say that ranks meet.
func (cfg *Config) root() bootstrap.RootConfig {
	root := bootstrap.RootConfig{Addr: cfg.Root, Interface: cfg.Interface, Family: cfg.Family}
	if cfg.Logger != nil {
		root.Logger = logging.Of(cfg.Logger, logging.Bootstrap)
	}
	return root
}

// NewKeyedUniqueID is NewUniqueIDWith for ranks that know a key besides the id: they set
// Config.ID to its Keyed(key).
func (cfg Config) NewKeyedUniqueID(key []byte) (UniqueID, error) {
	if cfg.atCommID() {
		return cfg.commUniqueID() // rank 0 listens with the key
	}
	secret := bootstrap.NewSecret()
	root := cfg.root()
	root.Secret = secret.Keyed(key)
	id, err := newUniqueID(root)
	if err != nil {
		return UniqueID{}, err
	}
	return bootstrap.MakeID(secret, id.Roots()...)
}

// NewLocalUniqueID is NewUniqueID for ranks that are all on this machine: they
// meet, and stay, on its loopback interface.
func NewLocalUniqueID() (UniqueID, error) {
	return newUniqueID(bootstrap.RootConfig{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0).String()})
}

func newUniqueID(cfg bootstrap.RootConfig) (UniqueID, error) {
	root, err := bootstrap.NewRoot(context.Background(), cfg)
	if err != nil {
		return UniqueID{}, err
	}
	roots.add(root)
	go func() {
		<-root.Done()
		roots.remove(root.ID())
		_ = root.Close()
	}()
	return root.ID(), nil
}
