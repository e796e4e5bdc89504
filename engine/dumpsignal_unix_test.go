//go:build unix

package engine_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
)

func TestDumpOnSignal(t *testing.T) {
	dir := t.TempDir()
	stop := engine.DumpOnSignal(filepath.Join(dir, "%c.%r"), syscall.SIGUSR2)
	defer stop()
	w := localWorld(t, 2, engine.Config{Name: "signalled"})
	w.must(t, func(_ int, c *engine.Comm) error { return reduceFloats(c, 1) })
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGUSR2))
	for _, rank := range []string{"0", "1"} {
		path := filepath.Join(dir, "signalled."+rank)
		require.Eventually(t, func() bool { _, err := os.Stat(path); return err == nil }, time.Minute, time.Millisecond)
		require.Len(t, readDump(t, path).Operations, 1)
	}
	stop()
	stop() // again does nothing
}
