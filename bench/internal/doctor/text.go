package doctor

import (
	"fmt"
	"io"
	"strings"
)

// Write writes the report for people.
func (r Report) Write(out io.Writer) error {
	var p page
	fmt.Fprintf(&p.text, "# %s\n", r.Program)
	p.kernels(r.Kernels)
	p.gpus(r.GPUs)
	p.network(r.Network)
	p.rdma(r.RDMA)
	p.memory(r.Memory)
	_, err := io.WriteString(out, p.text.String())
	return err
}

// page is a text with a column of headings.
type page struct {
	text    strings.Builder
	heading string // of the section, until it has been written
}

func (p *page) section(heading string) {
	p.text.WriteByte('\n')
	p.heading = heading
}

func (p *page) line(format string, args ...any) {
	fmt.Fprintf(&p.text, "%-15s%s\n", p.heading, fmt.Sprintf(format, args...))
	p.heading = ""
}

// prose is a label and a text, broken into lines.
func (p *page) prose(label, text string) {
	const width = 84
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			p.line("%s%s", label, line)
			label, line = strings.Repeat(" ", len(label)), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	p.line("%s%s", label, line)
}

func (p *page) lacks(all []Lack) {
	for _, l := range all {
		p.prose("lacking: ", l.What)
		if l.Remedy != "" {
			p.prose("remedy:  ", l.Remedy)
		}
	}
}

func (p *page) kernels(k Kernels) {
	p.section("kernels")
	p.line("%s, of %s", k.Active, strings.Join(k.Supported, ", "))
	p.line("%s, %s", k.Processor, plural(k.Cores, "core"))
	p.lacks(k.Lacks)
}

func (p *page) gpus(g GPUs) {
	p.section("GPUs")
	if g.Library != "" {
		p.line("%s, driver %s for CUDA %s", plural(len(g.Found), "GPU"), g.Library, g.CUDA)
	} else {
		p.line("none")
	}
	for _, d := range g.Found {
		p.line("%d: %s, %s, compute capability %s, PCI %s, %s", d.Ordinal, d.Name, gib(d.Memory), d.Capability, d.PCI, d.UUID)
	}
	p.lacks(g.Lacks)
}

func (p *page) network(n Network) {
	p.section("network")
	for _, i := range n.Interfaces {
		rate := ""
		if i.MbitPerS > 0 {
			rate = fmt.Sprintf(", %g Gbit/s", float64(i.MbitPerS)/1000)
		}
		p.line("%s: %s%s", i.Name, strings.Join(i.Addresses, ", "), rate)
	}
	if len(n.Addresses) > 0 {
		how := selection + " is not set"
		if n.Selection != "" {
			how = selection + "=" + n.Selection
		}
		p.line("offered to other hosts: %s (%s)", strings.Join(n.Addresses, ", "), how)
	}
	p.lacks(n.Lacks)
}

func (p *page) rdma(r RDMA) {
	p.section("RDMA")
	if len(r.Devices) == 0 {
		p.line("no device")
	}
	if len(r.Devices) > 0 && len(r.Chosen) == 0 {
		p.line("not used: between hosts, ranks talk over TCP")
	}
	for i, port := range r.Chosen {
		if i == 0 {
			p.line("used between hosts: %s", port)
		} else {
			p.line("or, by other ranks: %s", port)
		}
	}
	for _, d := range r.Devices {
		for _, port := range d.Ports {
			p.line("%s port %s: %s, %s, %s", d.Name, port.Number, port.State, port.Link, port.Rate)
		}
		if len(d.Ports) == 0 {
			p.line("%s: no port", d.Name)
		}
	}
	for _, g := range r.GPUs {
		if g.Way != "" {
			p.line("GPU %d: its memory is read directly, by %s", g.Ordinal, g.Way)
		} else {
			p.prose(fmt.Sprintf("GPU %d: through the host's memory: ", g.Ordinal), g.Why)
		}
	}
	p.lacks(r.Lacks)
}

func (p *page) memory(m SharedMemory) {
	p.section("shared memory")
	switch {
	case m.Usable && m.Memfd:
		p.line("anonymous memory files (memfd)")
	case m.Usable:
		p.line("files in /dev/shm, as there is no memfd")
	default:
		p.line("none")
	}
	if m.Size > 0 {
		p.line("/dev/shm: %s, %s free", gib(m.Size), gib(m.Free))
	}
	p.lacks(m.Lacks)
}

// gib is a size in GiB, or in MiB if it is less than one.
func gib(bytes int64) string {
	if bytes < 1<<30 {
		return fmt.Sprintf("%.0f MiB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
