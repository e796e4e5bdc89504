package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/monel-dev/monel/engine/internal/choose"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/tree"
)

// Algorithms says how collectives other than AllReduce work; "auto", or "", picks by the
// tensor's size, the number of ranks and where they are. Whatever is said, what an
// algorithm cannot do goes by another one, the same on all ranks.
type Algorithms struct {
	// Broadcast and Reduce are "tree", a binomial one, or "chain", a pipeline through all
	// ranks.
	Broadcast, Reduce string

	// AllGather and ReduceScatter are "ring" or "bruck", which takes the fewest rounds and
	// is for results of up to Config.ChunkBytes; larger ones take the ring.
	AllGather, ReduceScatter string
}

// The names of algorithms.
const (
	autoName  = "auto"
	treeName  = "tree"
	chainName = "chain"
	ringName  = "ring"
	bruckName = "bruck"
)

// algorithmSetting is one of them by its field's and the collective's name.
type algorithmSetting struct {
	field, collective string
	value             *string
	names             []string
}

func (a *Algorithms) settings() []algorithmSetting {
	return []algorithmSetting{
		{"Broadcast", "broadcast", &a.Broadcast, []string{autoName, treeName, chainName}},
		{"Reduce", "reduce", &a.Reduce, []string{autoName, treeName, chainName}},
		{"AllGather", "all_gather", &a.AllGather, []string{autoName, ringName, bruckName}},
		{"ReduceScatter", "reduce_scatter", &a.ReduceScatter, []string{autoName, ringName, bruckName}},
	}
}

// fill sets the default, and returns the name of the field that is wrong, and why.
func (a *Algorithms) fill() (field string, err error) {
	for _, s := range a.settings() {
		if *s.value == "" {
			*s.value = autoName
		}
		if !slices.Contains(s.names, *s.value) {
			return "Algorithms." + s.field, fmt.Errorf("%q; use %s", *s.value, strings.Join(s.names, ", "))
		}
	}
	return "", nil
}

// asked lists what is not left to the choice by size, such as "broadcast by chain".
func (a *Algorithms) asked() (list []string) {
	for _, s := range a.settings() {
		if *s.value != autoName {
			list = append(list, s.collective+" by "+*s.value)
		}
	}
	return list
}

// treeShape is the shape of the tree for so many bytes.
func (c *Comm) treeShape(asked string, bytes int64) tree.Algorithm {
	switch asked {
	case treeName:
		return tree.Binomial
	case chainName:
		return tree.Chain
	}
	return tree.Choose(bytes, int64(c.cfg.ChunkBytes), c.size)
}

// allGatherBy is the algorithm for an all_gather of blocks like one.
func (c *Comm) allGatherBy(one strided.Tensor) choose.Blocks {
	chunk := int64(c.cfg.ChunkBytes)
	if how, ok := askedBlocks(c.cfg.Algorithms.AllGather, bytesOf(one), chunk, c.size); ok {
		return how
	}
	return choose.AllGather(bytesOf(one), chunk, int64(c.cfg.HopBytes), c.size, c.oneHost)
}

// reduceScatterBy is the same for a reduce_scatter.
func (c *Comm) reduceScatterBy(one strided.Tensor) choose.Blocks {
	chunk := int64(c.cfg.ChunkBytes)
	if how, ok := askedBlocks(c.cfg.Algorithms.ReduceScatter, bytesOf(one), chunk, c.size); ok {
		return how
	}
	return choose.ReduceScatter(bytesOf(one), chunk, int64(c.cfg.HopBytes), c.size)
}

// askedBlocks is the algorithm that a setting asks for, false if it leaves the choice.
// Bruck's sends the blocks of all ranks as one chunk.
func askedBlocks(asked string, block, chunk int64, size int) (choose.Blocks, bool) {
	switch {
	case asked == ringName, asked == bruckName && block > chunk/int64(size):
		return choose.RingOfBlocks, true
	case asked == bruckName:
		return choose.Bruck, true
	}
	return 0, false
}
