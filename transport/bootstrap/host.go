package bootstrap

import "os"

// Host tells whether two processes share a machine and which of its resources.
// Fields are empty where the system does not tell.
type Host struct {
	Name    string // as the host calls itself; different machines may share one
	BootID  string // the same for all processes of one running kernel
	NetNS   string // network namespace: the same loopback interface
	IPCNS   string // IPC namespace
	MountNS string // mount namespace: the same files, /dev/shm among them
	PIDNS   string // PID namespace: the same process numbers
	UserNS  string // user namespace
}

const numHostFields = 7

func (h *Host) fields() [numHostFields]*string {
	return [...]*string{&h.Name, &h.BootID, &h.NetNS, &h.IPCNS, &h.MountNS, &h.PIDNS, &h.UserNS}
}

// SameMachine reports whether h and o are known to run under one kernel.
func (h Host) SameMachine(o Host) bool { return h.BootID != "" && h.BootID == o.BootID }

// LocalHost describes the machine and the namespaces of this process.
func LocalHost() Host {
	var h Host
	h.Name, _ = os.Hostname()
	if h.Name == "" {
		h.Name = "(unknown)"
	}
	h.fill()
	for _, f := range h.fields() {
		if len(*f) > maxHostField {
			*f = (*f)[:maxHostField]
		}
	}
	return h
}
