package engine

import (
	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/bootstrap"
	"github.com/monel-dev/monel/transport/guard"
)

// slotBytes is the size of the slots of a wire without encryption: that of a chunk and
// what protects it.
func (cfg *Config) slotBytes() int {
	if cfg.Checksums {
		return cfg.ChunkBytes + guard.ChecksumRoom
	}
	return cfg.ChunkBytes
}

// checked wraps a mesh whose slots have slotBytes.
func (cfg *Config) checked(rank int, mesh transport.Mesh) transport.Mesh {
	if cfg.Checksums {
		return guard.Checksum(mesh, rank)
	}
	return mesh
}

// socketSlotBytes is slotBytes for sockets, which are what is encrypted. That finds
// altered bytes, too, so it replaces checksums.
func (cfg *Config) socketSlotBytes() int {
	if cfg.Encrypt {
		return cfg.ChunkBytes + guard.SealRoom
	}
	return cfg.slotBytes()
}

// protected wraps the mesh of sockets.
func (cfg *Config) protected(rank int, mesh transport.Mesh, session *bootstrap.Session) transport.Mesh {
	if cfg.Encrypt {
		return guard.Seal(mesh, rank, session.LinkKey)
	}
	return cfg.checked(rank, mesh)
}
