package simulate

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/monel-dev/monel/ring"
	"github.com/monel-dev/monel/tree"
)

// The sizes of the table: worlds, and tensors of float32 in chunks of 256 KiB.
var worlds = []int{2, 8, 64, 512, 4096, 16384}

const (
	chunk = 64 << 10 // elements
	align = 16
	depth = 4
	large = 64 << 20 / 4
	small = 4 << 10 / 4
)

func ringOf(size int, count int64) ring.Config {
	return ring.Config{Size: size, Count: count, Chunk: chunk, Align: align, Depth: depth}
}

func treeOf(algorithm tree.Algorithm, size int, count int64) tree.Config {
	return tree.Config{Size: size, Count: count, Chunk: chunk, Align: align, Algorithm: algorithm}
}

// Table is what the planners take in large worlds, in Markdown.
func Table() (string, error) {
	var b strings.Builder
	b.WriteString("| n | ring: hops | messages per link | MiB sent per rank | doubling: hops | KiB sent, at most | binomial: hops | KiB sent by the root | chain: hops | MiB sent per rank |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|\n")
	for _, n := range worlds {
		r, err := Ring(ringOf(n, large), ring.AllReduce)
		if err != nil {
			return "", err
		}
		d, err := Doubling(n, small)
		if err != nil {
			return "", err
		}
		t, err := Broadcast(treeOf(tree.Binomial, n, small))
		if err != nil {
			return "", err
		}
		c, err := Broadcast(treeOf(tree.Chain, n, large))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| %d | %d | %d | %.2f | %d | %d | %d | %d | %d | %d |\n", n,
			r.Hops, r.Messages, mib(r.Sent), d.Hops, 4*d.Sent>>10, t.Hops, 4*t.Sent>>10, c.Hops, 4*c.Sent>>20)
	}
	return b.String(), nil
}

// blockBytes is a block of the second table, of float32.
const blockBytes = 4 << 10

// BlocksTable is what the other planners take, with blocks of blockBytes, in Markdown.
func BlocksTable() (string, error) {
	var b strings.Builder
	b.WriteString("| n | all_gather, reduce_scatter on the ring: hops | messages per link | KiB sent per rank | all_gather, reduce_scatter by Bruck: hops | alltoall, pairwise: hops | KiB sent per rank | reduce, binomial: hops | gather, scatter, binomial: hops | KiB of the largest message |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|\n")
	for _, n := range worlds {
		r, err := Ring(ringOf(n, blockBytes/4), ring.AllGather)
		if err != nil {
			return "", err
		}
		s, err := Ring(ringOf(n, blockBytes/4), ring.ReduceScatter)
		if err != nil || s.Hops != r.Hops || s.Messages != r.Messages || s.Sent != r.Sent {
			return "", fmt.Errorf("all_gather takes %+v, reduce_scatter %+v, %w", r, s, err)
		}
		k, err := AllGather(n, blockBytes/4)
		if err != nil {
			return "", err
		}
		a, err := AllToAll(n, blockBytes/4)
		if err != nil {
			return "", err
		}
		t, err := Reduce(treeOf(tree.Binomial, n, blockBytes/4))
		if err != nil {
			return "", err
		}
		g, err := Gather(n, blockBytes/4)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| %d | %d | %d | %d | %d | %d | %d | %d | %d | %d |\n", n,
			r.Hops, r.Messages, 4*r.Sent>>10, k.Hops, a.Hops, 4*a.Sent>>10, t.Hops, g.Hops, 4*g.Sent>>10)
	}
	return b.String(), nil
}

func mib(elements int64) float64 { return 4 * float64(elements) / (1 << 20) }

// ceilLog2 is the least k with 2^k >= n.
func ceilLog2(n int) int64 { return int64(bits.Len(uint(n - 1))) }

// The table's place in a page.
const (
	beginTable = "<!-- Made by go generate from engine/internal/simulate. -->\n"
	endTable   = "<!-- End of what is made. -->"
)

const betweenTables = "The same for the other collectives, where each rank has a block of 4 KiB, or for reduce a\ntensor of that size. What is sent in Bruck's rounds is as much as on the ring.\n"

// Insert puts the tables in their place in a page.
func Insert(page string) (string, error) {
	before, rest, ok := strings.Cut(page, beginTable)
	if !ok {
		return "", fmt.Errorf("there is no line %q", beginTable)
	}
	_, after, ok := strings.Cut(rest, endTable)
	if !ok {
		return "", fmt.Errorf("there is no line %q", endTable)
	}
	table, err := Table()
	if err != nil {
		return "", err
	}
	blocks, err := BlocksTable()
	if err != nil {
		return "", err
	}
	return before + beginTable + "\n" + table + "\n" + betweenTables + "\n" + blocks + "\n" + endTable + after, nil
}
