//go:build unix

package launch

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/bootstrap"
)

func testID(t *testing.T) bootstrap.ID {
	t.Helper()
	id, err := bootstrap.NewID(netip.MustParseAddrPort("127.0.0.1:4711"))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func open(t *testing.T, job string) *handover {
	t.Helper()
	h, err := openHandover(job)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.close)
	return h
}

func TestHandover(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	a, b, other := open(t, "job"), open(t, "job"), open(t, "other job")
	if _, err := b.read(); err == nil {
		t.Fatal("there is something to read before it was left")
	}
	first, second := testID(t), testID(t)
	if err := a.leave(first); err != nil {
		t.Fatal(err)
	}
	if got, err := b.read(); err != nil || got != first {
		t.Fatalf("%v, %v", got, err)
	}
	if _, err := other.read(); err == nil {
		t.Error("another job reads it")
	}
	if err := a.leave(second); err != nil {
		t.Fatal(err)
	}
	if got, err := b.read(); err != nil || got != second {
		t.Fatalf("not replaced: %v, %v", got, err)
	}
	dir, err := os.Stat(a.path)
	if err != nil || dir.Mode().Perm() != 0o700 {
		t.Errorf("mode of the directory: %v, %v", dir.Mode(), err)
	}
	file, err := os.Stat(filepath.Join(a.path, a.name))
	if err != nil || file.Mode().Perm() != 0o600 {
		t.Errorf("mode of the file: %v, %v", file.Mode(), err)
	}
	a.remove()
	if left, _ := os.ReadDir(a.path); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// unsafe are directories that must not be trusted.
func TestHandoverUnsafe(t *testing.T) {
	for name, prepare := range map[string]func(path string) error{
		"open to others": func(path string) error { return errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, 0o755)) },
		"symbolic link": func(path string) error {
			return errors.Join(os.Mkdir(path+"-elsewhere", 0o700), os.Symlink(path+"-elsewhere", path))
		},
		"dangling link": func(path string) error { return os.Symlink(path+"-nowhere", path) },
		"file":          func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"another user": func(path string) error {
			if os.Getuid() != 0 {
				return os.Symlink("/", path) // only root can give a directory away
			}
			return errors.Join(os.Mkdir(path, 0o700), os.Chown(path, 12345, -1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			if err := prepare(filepath.Join(os.TempDir(), fmt.Sprintf("monel-%d", os.Getuid()))); err != nil {
				t.Fatal(err)
			}
			h, err := openHandover("job")
			if err == nil {
				h.close()
				t.Fatal("trusted")
			}
			if !errors.Is(err, ErrUnsafe) || !errors.Is(err, bootstrap.ErrLaunch) || !strings.Contains(err.Error(), "TMPDIR") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestHandoverFiles(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	h := open(t, "job")
	path := filepath.Join(h.path, h.name)
	id := testID(t)
	good := h.text(id)
	elsewhere := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(elsewhere, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, prepare := range map[string]func() error{
		"link out":    func() error { return os.Symlink(elsewhere, path) },
		"for others":  func() error { return errors.Join(os.WriteFile(path, []byte(good), 0o600), os.Chmod(path, 0o644)) },
		"directory":   func() error { return os.Mkdir(path, 0o700) },
		"too long":    func() error { return os.WriteFile(path, []byte(good+strings.Repeat("\n", maxHandover)), 0o600) },
		"empty":       func() error { return os.WriteFile(path, nil, 0o600) },
		"another job": func() error { return os.WriteFile(path, []byte(strings.Replace(good, h.name, "x", 1)), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			defer os.RemoveAll(path)
			if err := prepare(); err != nil {
				t.Fatal(err)
			}
			if got, err := h.read(); err == nil {
				t.Fatalf("read %v", got)
			}
		})
	}
	// A planted link where the file is to be made is replaced, not followed.
	if err := os.Symlink(elsewhere, path); err != nil {
		t.Fatal(err)
	}
	if err := h.leave(testID(t)); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(elsewhere); err != nil || string(b) != good {
		t.Errorf("the link's target was written: %v", err)
	}
}

func TestParseHandover(t *testing.T) {
	id := testID(t)
	text := func(pid int, start string) string {
		return fmt.Sprintf("%s\nname\n%d %s\n%s\n", handoverMagic, pid, start, id.Text())
	}
	start := func(pid int) (string, bool) { return "100", pid == 7 }
	if got, err := parseHandover(text(7, "100"), "name", start); err != nil || got != id {
		t.Errorf("%v, %v", got, err)
	}
	for name, stale := range map[string]string{"ended": text(8, "100"), "number used again": text(7, "99")} {
		if _, err := parseHandover(stale, "name", start); !errors.Is(err, errStale) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAwaitGivesUp(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	h := open(t, "job")
	if _, err := h.await(context.Background(), 30*time.Millisecond); !errors.Is(err, transport.ErrTimeout) || !strings.Contains(err.Error(), "rank 0") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := h.await(ctx, time.Minute); !errors.Is(err, transport.ErrAborted) {
		t.Errorf("%v", err)
	}
}
