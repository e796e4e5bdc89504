package environ

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

// systemFile is the configuration that an administrator writes.
const systemFile = "/etc/nccl.conf"

// mostFile bounds how much of a configuration file is read.
const mostFile = 1 << 20

// filePaths are the configuration files, the one that goes first in front.
func filePaths(named, home string) []string {
	switch named = strings.TrimSpace(named); {
	case named != "":
		return []string{named, systemFile}
	case home != "":
		return []string{filepath.Join(home, ".nccl.conf"), systemFile}
	}
	return []string{systemFile}
}

// file is a configuration file.
type file struct {
	path   string
	values map[string]string
}

// read adds a configuration file if there is one. What is not a regular file, like
// the null device, is one without lines.
func (r *Reader) read(path string) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, mostFile))
	if err != nil {
		return
	}
	r.files = append(r.files, file{path, parseFile(string(content))})
}

// parseFile reads lines NAME=VALUE. Lines that begin with "#" and lines without "="
// say nothing, and of several values of a variable the first counts, as for NCCL.
func parseFile(content string) map[string]string {
	values := make(map[string]string)
	for line := range strings.Lines(content) {
		line = strings.TrimSpace(line)
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		name = strings.TrimSpace(name)
		if _, set := values[name]; !set {
			values[name] = strings.TrimSpace(value)
		}
	}
	return values
}
