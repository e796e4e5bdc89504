package bootstrap

import "syscall"

func (h *Host) fill() {
	h.BootID, _ = syscall.Sysctl("kern.bootsessionuuid")
}
