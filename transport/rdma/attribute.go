package rdma

import (
	"os"
	"path/filepath"
	"strings"
)

// attribute is the content of one of sysfs's small files, empty without one.
func attribute(folder, name string) string {
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
