package engine

import "github.com/monel-dev/monel/transport/bootstrap"

const (
	// processorsPerConnection is how many processors a rank has for each connection of
	// a link within its host: some write to it and read from it, and others pack and
	// reduce meanwhile.
	processorsPerConnection = 4
	// mostBeside is the most connections of a link within a host, unless more are asked
	// for. With eight, stripes are so short that to hand them out takes longer.
	mostBeside = 4
)

// connectionsBeside is the number of TCP connections of links between the ranks of this
// rank's host, the same on all of them.
func (cfg *Config) connectionsBeside(table *bootstrap.Table, rank int) int {
	if cfg.Connections > 0 {
		return cfg.Connections
	}
	processors := 255
	for _, p := range table.Peers {
		if info := p.Info; p.Host.SameMachine(table.Peers[rank].Host) {
			if len(info) < 2 {
				return 1
			}
			processors = min(processors, int(info[1]))
		}
	}
	return max(1, min(mostBeside, processors/ranksBeside(table, rank)/processorsPerConnection))
}
