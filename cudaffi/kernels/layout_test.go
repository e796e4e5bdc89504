//go:build linux && (amd64 || arm64)

package kernels

import (
	"regexp"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"
	"github.com/stretchr/testify/require"
)

// TestStructs: what the planner writes lies where the kernels read it. The C side
// lists sizes and offsets in the same order.
func TestStructs(t *testing.T) {
	var a arithmetic
	var r run
	var d dim
	var j job
	var c command
	var g agentParams
	want := []uintptr{
		unsafe.Sizeof(a), unsafe.Offsetof(a.kind), unsafe.Offsetof(a.op), unsafe.Offsetof(a.ranks), unsafe.Offsetof(a.shift),
		unsafe.Offsetof(a.magic32), unsafe.Offsetof(a.magic64), unsafe.Offsetof(a.inverse),
		unsafe.Sizeof(r), unsafe.Offsetof(r.out), unsafe.Offsetof(r.out2), unsafe.Offsetof(r.in), unsafe.Offsetof(r.src),
		unsafe.Offsetof(r.count), unsafe.Offsetof(r.skew), unsafe.Offsetof(r.units), unsafe.Offsetof(r.arithmetic),
		unsafe.Sizeof(d), unsafe.Offsetof(d.size), unsafe.Offsetof(d.magic), unsafe.Offsetof(d.shift), unsafe.Offsetof(d.step),
		unsafe.Offsetof(d.a), unsafe.Offsetof(d.b),
		unsafe.Sizeof(j), unsafe.Offsetof(j.a), unsafe.Offsetof(j.b), unsafe.Offsetof(j.in), unsafe.Offsetof(j.out),
		unsafe.Offsetof(j.lo), unsafe.Offsetof(j.hi), unsafe.Offsetof(j.flags), unsafe.Offsetof(j.dims), unsafe.Offsetof(j.first),
		unsafe.Offsetof(j.count), unsafe.Offsetof(j.arithmetic), unsafe.Offsetof(j.rows), unsafe.Offsetof(j.columns),
		unsafe.Offsetof(j.rowSkew), unsafe.Offsetof(j.columnSkew), unsafe.Offsetof(j.logRows), unsafe.Offsetof(j.logColumns),
		unsafe.Offsetof(j.rowDim), unsafe.Offsetof(j.rowStep), unsafe.Offsetof(j.rowA), unsafe.Offsetof(j.rowB),
		unsafe.Offsetof(j.columnA), unsafe.Offsetof(j.columnB), unsafe.Offsetof(j.steps), unsafe.Offsetof(j.dim),
		unsafe.Sizeof(c), unsafe.Offsetof(c.number), unsafe.Offsetof(c.kernel), unsafe.Offsetof(c.told),
		unsafe.Sizeof(g), unsafe.Offsetof(g.commands), unsafe.Offsetof(g.done), unsafe.Offsetof(g.relay), unsafe.Offsetof(g.shares), unsafe.Offsetof(g.first),
	}
	h := onHost(t)
	at := make([]uint32, 100)
	n, _, _ := purego.SyscallN(h.layout, uintptr(unsafe.Pointer(&at[0])), uintptr(len(at)))
	require.Len(t, want, int(int32(n)))
	for i, w := range want {
		require.EqualValues(t, w, at[i], "number %d", i)
	}
}

// TestNames: the PTX has the kernels that are launched, and no others.
func TestNames(t *testing.T) {
	var want, got []string
	for k := range kernelCount {
		if k.exists() {
			want = append(want, k.name())
		}
	}
	for _, m := range regexp.MustCompile(`\.visible \.entry (\w+)`).FindAllSubmatch(ptx, -1) {
		got = append(got, string(m[1]))
	}
	require.ElementsMatch(t, want, got)
}
