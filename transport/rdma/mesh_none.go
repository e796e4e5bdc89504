//go:build !linux || !(amd64 || arm64) || nocuda

package rdma

import (
	"context"

	"github.com/monel-dev/monel/transport"
)

// Mesh is one rank's links over RDMA, of which there are none in this build.
type Mesh struct {
	transport.Mesh
	settings Settings
}

// Probe says that RDMA is not available in this build.
func Probe(s Settings, _ int) (Kind, error) {
	_, err := Find(s)
	return 0, err
}

// New says that RDMA is not available in this build, or what is wrong with cfg.
func New(cfg Config, _ ConnSource) (*Mesh, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	_, err := Find(cfg.Settings)
	return nil, err
}

// Ports names the ports in use.
func (m *Mesh) Ports() []string { return nil }

// Reach says that RDMA is not available in this build.
func (m *Mesh) Reach(context.Context, int) error {
	_, err := Find(m.settings)
	return err
}

// Register does nothing.
func (m *Mesh) Register([]byte) {}

// DirectWay says that RDMA is not available in this build.
func DirectWay(s Settings, _ string, _ bool) (string, error) {
	_, err := Find(s)
	return "", err
}

// Registrations is 0.
func (m *Mesh) Registrations() int64 { return 0 }
