//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"testing"

	"github.com/monel-dev/monel/transport/conformance"
)

// BenchmarkStream sends chunks of a MiB over one link.
func BenchmarkStream(b *testing.B) {
	needDevice(b)
	const size = 1 << 20
	all, _ := meshes(b, 2, Config{SlotSize: size})
	closeAfter(b, all)
	b.SetBytes(size)
	conformance.Stream(b, all[0], all[1], size, false)
}

// BenchmarkPingPong sends 8 bytes to and fro.
func BenchmarkPingPong(b *testing.B) {
	needDevice(b)
	all, _ := meshes(b, 2, Config{})
	closeAfter(b, all)
	conformance.PingPong(b, all[0], all[1], 8)
}
