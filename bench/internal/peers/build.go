package peers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Builder makes programs of the sources in a folder. What it builds it keeps in
// the user's cache, under a name that changes with the sources.
type Builder struct {
	Sources fs.FS
	Cache   string // a folder; empty is that of the user
}

// compiler turns one source file into a program.
type compiler struct {
	source   string
	command  string
	flags    []string // before the source
	libs     []string // after it
	packages string   // Debian's packages of what it needs
}

// build compiles the program called name, unless it is in the cache.
func (b Builder) build(ctx context.Context, name string, c compiler) (string, error) {
	path, err := exec.LookPath(c.command)
	if err != nil {
		return "", fmt.Errorf("%s needs %s, of Debian's %s: %w", name, c.command, c.packages, err)
	}
	source, err := b.unpack(c.source)
	if err != nil {
		return "", err
	}
	// The compiler's own age is part of the key, as it is replaced with its library.
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	program := filepath.Join(filepath.Dir(source), fmt.Sprintf("%s-%x", name, digest(path, info.ModTime().String(), strings.Join(append(c.flags, c.libs...), " "))))
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	// Another run may be building the same: whoever is last replaces the other's.
	half, err := os.CreateTemp(filepath.Dir(source), name+"-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(half.Name())
	if err := half.Close(); err != nil {
		return "", err
	}
	args := append(append([]string{}, c.flags...), "-o", half.Name(), source)
	out, err := exec.CommandContext(ctx, path, append(args, c.libs...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building %s, which needs Debian's %s: %w\n%s", name, c.packages, err, bytes.TrimSpace(out))
	}
	return program, os.Rename(half.Name(), program)
}

// unpack writes a source file into the cache, in a folder that its content
// names, and returns its path.
func (b Builder) unpack(name string) (string, error) {
	text, err := fs.ReadFile(b.Sources, name)
	if err != nil {
		return "", err
	}
	cache := b.Cache
	if cache == "" {
		if cache, err = os.UserCacheDir(); err != nil {
			return "", fmt.Errorf("where to build contenders: %w", err)
		}
	}
	folder := filepath.Join(cache, "monel-bench", fmt.Sprintf("%x", digest(string(text))))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	half, err := os.CreateTemp(folder, name+"-*")
	if err != nil {
		return "", err
	}
	_, err = half.Write(text)
	if err := errors.Join(err, half.Close()); err != nil {
		return "", err
	}
	path := filepath.Join(folder, name)
	return path, os.Rename(half.Name(), path)
}

func digest(parts ...string) []byte {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return sum[:6]
}
