package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
)

// network is hosts of this machine, each a network namespace of one rank, on a bridge.
// Packets of one of them can be made to vanish.
type network struct {
	tag   string // of everything's name
	net   int    // number of the network: its addresses are 10.214.net.1 and up
	hosts int
}

// networks counts those made, and made are those that have not been closed.
var (
	networks atomic.Int32
	made     sync.Map
)

// Abandon removes what campaigns have made outside of this process, when it has to end in
// the midst of one.
func Abandon() {
	made.Range(func(n, _ any) bool {
		_ = n.(*network).close()
		return true
	})
}

// newNetwork needs the rights to make network namespaces.
func newNetwork(net, hosts int) (*network, error) {
	// A number of its own, since what is deleted goes a moment later.
	n := &network{tag: fmt.Sprintf("mf%d-%d", os.Getpid(), networks.Add(1)), net: net, hosts: hosts}
	made.Store(n, nil)
	if err := n.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("making network namespaces, which takes root and iproute2: %w", err), n.close())
	}
	return n, nil
}

func (n *network) build() error {
	if err := n.ip("link add %s type bridge", n.tag); err != nil {
		return err
	}
	if err := n.ip("link set %s up", n.tag); err != nil {
		return err
	}
	for h := range n.hosts {
		for _, command := range []string{
			"netns add " + n.name(h),
			fmt.Sprintf("link add %s type veth peer name eth0 netns %s", n.port(h), n.name(h)),
			fmt.Sprintf("link set %s master %s up", n.port(h), n.tag),
			fmt.Sprintf("-n %s link set eth0 address %s", n.name(h), n.mac(h)),
			fmt.Sprintf("-n %s addr add %s/24 dev eth0", n.name(h), n.address(h)),
			fmt.Sprintf("-n %s link set eth0 up", n.name(h)),
			fmt.Sprintf("-n %s link set lo up", n.name(h)),
		} {
			if err := n.ip("%s", command); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *network) name(h int) string    { return fmt.Sprintf("%s-%d", n.tag, h) }
func (n *network) port(h int) string    { return fmt.Sprintf("%s.%d", n.tag, h) }
func (n *network) address(h int) string { return fmt.Sprintf("10.214.%d.%d", n.net, h+1) }
func (n *network) mac(h int) string     { return fmt.Sprintf("02:00:0a:d6:%02x:%02x", n.net, h+1) }

// nowhere is a hardware address that nobody has.
const nowhere = "02:00:00:00:00:01"

// ip runs ip of iproute2.
func (n *network) ip(format string, args ...any) error {
	return run("ip", strings.Fields(fmt.Sprintf(format, args...))...)
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// cut has packets of a host vanish.
func (n *network) cut(kind Kind, h int) error {
	switch kind {
	case Both:
		return run("bridge", "link", "set", "dev", n.port(h), "state", "0")
	case In: // what is for it goes to another port
		return run("bridge", "fdb", "replace", n.mac(h), "dev", n.port((h+1)%n.hosts), "master", "static", "sticky")
	case Out:
		return n.neighbours(h, func(peer int) string {
			return fmt.Sprintf("neigh replace %s lladdr %s dev eth0 nud permanent", n.address(peer), nowhere)
		})
	}
	return n.ip("-n %s link set eth0 down", n.name(h))
}

// mend takes cut back.
func (n *network) mend(kind Kind, h int) error {
	switch kind {
	case Both:
		return run("bridge", "link", "set", "dev", n.port(h), "state", "3")
	case In:
		return run("bridge", "fdb", "replace", n.mac(h), "dev", n.port(h), "master", "dynamic")
	case Out:
		return n.neighbours(h, func(peer int) string {
			return fmt.Sprintf("neigh del %s dev eth0", n.address(peer))
		})
	}
	return n.ip("-n %s link set eth0 up", n.name(h))
}

// neighbours runs a command of ip about each other host, in the namespace of h.
func (n *network) neighbours(h int, command func(peer int) string) error {
	var lines []string
	for peer := range n.hosts {
		if peer != h {
			lines = append(lines, command(peer))
		}
	}
	batch := exec.Command("ip", "-n", n.name(h), "-batch", "-")
	batch.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := batch.CombinedOutput(); err != nil {
		return fmt.Errorf("ip -batch: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// via starts an agent on a host.
func (n *network) via(h int) []string { return []string{"ip", "netns", "exec", n.name(h)} }

func (n *network) close() error {
	made.Delete(n)
	var errs []error
	for h := range n.hosts {
		if _, err := os.Stat("/run/netns/" + n.name(h)); err == nil {
			errs = append(errs, n.ip("netns del %s", n.name(h)))
		}
	}
	if _, err := os.Stat("/sys/class/net/" + n.tag); err == nil {
		errs = append(errs, n.ip("link del %s", n.tag))
	}
	return errors.Join(errs...)
}
