package bootstrap

import (
	"os"
	"strings"
)

func (h *Host) fill() {
	if b, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		h.BootID = strings.TrimSpace(string(b))
	}
	for name, field := range map[string]*string{
		"net": &h.NetNS, "ipc": &h.IPCNS, "mnt": &h.MountNS, "pid": &h.PIDNS, "user": &h.UserNS,
	} {
		*field, _ = os.Readlink("/proc/self/ns/" + name)
	}
}
