//go:build !linux || !(amd64 || arm64) || nocuda

package rdma

import (
	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
)

// Mesh is one rank's links over RDMA, of which there are none in this build.
type Mesh struct{ transport.Mesh }

// Available says that RDMA is not available in this build.
func Available(s Settings) error {
	if s.Disabled {
		_, err := s.Choose(nil)
		return err
	}
	return because(ibv.Available())
}

// New says that RDMA is not available in this build, or what is wrong with cfg.
func New(cfg Config, _ ConnSource) (*Mesh, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	return nil, Available(cfg.Settings)
}

// Ports names the ports in use.
func (m *Mesh) Ports() []string { return nil }
