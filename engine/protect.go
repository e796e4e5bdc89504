package engine

import (
	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/bootstrap"
	"github.com/monel-dev/monel/transport/guard"
)

// checked wraps a mesh. Sums lie in the headers, so slots are as large as chunks.
func (cfg *Config) checked(rank int, mesh transport.Mesh) transport.Mesh {
	if cfg.Checksums {
		return guard.Checksum(mesh, rank)
	}
	return mesh
}

// socketSlotBytes is the size of the slots of sockets, which are what is encrypted. That
// finds altered bytes, too, so it replaces checksums.
func (cfg *Config) socketSlotBytes() int {
	if cfg.Encrypt {
		return cfg.ChunkBytes + guard.SealRoom
	}
	return cfg.ChunkBytes
}

// protected wraps the mesh of sockets.
func (cfg *Config) protected(rank int, mesh transport.Mesh, session *bootstrap.Session) transport.Mesh {
	if cfg.Encrypt {
		return guard.Seal(mesh, rank, session.LinkKey)
	}
	return cfg.checked(rank, mesh)
}
