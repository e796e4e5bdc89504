package engine

import (
	"context"
	"net/netip"

	"github.com/monel-dev/monel/engine/internal/logging"
	"github.com/monel-dev/monel/transport/bootstrap"
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
// As with ncclGetUniqueId, the environment has a say in where that is: NCCL_COMM_ID is
// the address to listen on, and without it NCCL_SOCKET_IFNAME and NCCL_SOCKET_FAMILY
// select addresses of this host, of which the id lists the best. With NCCL_COMM_ID, two
// ids of one host cannot be waiting for their ranks at the same time, and the second call
// returns an error that wraps bootstrap.ErrAddress.
func NewUniqueID() (UniqueID, error) { return NewUniqueIDWith(SettingsFromEnv()) }

// NewUniqueIDWith is NewUniqueID with the given settings in place of the environment's:
// Interface, Family and Logger, and Root as the address to listen on. What SettingsFromEnv
// or FromEnv has found in NCCL_COMM_ID counts if Root is empty.
func NewUniqueIDWith(cfg Config) (UniqueID, error) {
	return newUniqueID(cfg.root())
}

// root is where the settings say that ranks meet.
func (cfg *Config) root() bootstrap.RootConfig {
	root := bootstrap.RootConfig{Addr: cfg.Root, Interface: cfg.Interface, Family: cfg.Family}
	if root.Addr == "" {
		root.Addr = cfg.commID
	}
	if cfg.Logger != nil {
		root.Logger = logging.Of(cfg.Logger, logging.Bootstrap)
	}
	return root
}

// NewKeyedUniqueID is NewUniqueIDWith for ranks that know a key besides the id: they set
// Config.ID to its Keyed(key).
func (cfg Config) NewKeyedUniqueID(key []byte) (UniqueID, error) {
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
