//go:build race

package strided

import (
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRaceDetectorSees: a child of this test binary lets two goroutines use the
// same memory. The detector reports those that touch the same elements and stays
// silent about those that only touch each other's gaps.
func TestRaceDetectorSees(t *testing.T) {
	const variable = "MONEL_TEST_RACE"
	m := iota32(64, 64)
	cases := map[string]struct {
		a, b  Tensor
		write func(v View, slot []byte)
		race  bool
	}{
		"contiguous":        {m, m, func(v View, slot []byte) { v.Unpack(slot, 0, v.Count()) }, true},
		"column":            {m.Select(1, 3), m, func(v View, slot []byte) { v.Unpack(slot, 0, v.Count()) }, true},
		"transposed result": {m.Permute(1, 0), m, func(v View, slot []byte) { v.ReduceOut(v, nil, slot, 0, v.Count(), Sum, 1) }, true},
		"other columns":     {m.Slice(1, 0, 32), m.Slice(1, 32, 64), func(v View, slot []byte) { v.Unpack(slot, 0, v.Count()) }, false},
		"two readers":       {m, m.Permute(1, 0), func(v View, slot []byte) { v.ReduceInto(slot, slot, 0, v.Count(), Sum) }, false},
		"even and odd":      {m.Step(1, 2), m.Slice(1, 1, 64).Step(1, 2), func(v View, slot []byte) { v.Unpack(slot, 0, v.Count()) }, false},
	}
	if name := os.Getenv(variable); name != "" {
		c, ok := cases[name]
		require.True(t, ok, name)
		a, err := c.a.View(Logical)
		require.NoError(t, err)
		b, err := c.b.View(Logical)
		require.NoError(t, err)
		var wg sync.WaitGroup
		wg.Go(func() { c.write(a, make([]byte, 4*a.Count())) })
		wg.Go(func() { b.Pack(make([]byte, 4*b.Count()), 0, b.Count()) })
		wg.Wait()
		return
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			child := exec.Command(os.Args[0], "-test.run=^TestRaceDetectorSees$")
			child.Env = append(os.Environ(), variable+"="+name)
			out, err := child.CombinedOutput()
			if c.race {
				require.Error(t, err, "no race reported:\n%s", out)
				require.Contains(t, string(out), "DATA RACE")
			} else {
				require.NoError(t, err, "%s", out)
			}
		})
	}
}
