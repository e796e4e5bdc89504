package agree

import (
	"fmt"
	"strings"

	"github.com/monel-dev/monel/strided"
)

// Together describes several calls of one collective, type and operator that are made in
// one operation. It takes as many numbers of the sequence as there are calls, at most 64,
// so that ranks which make them one by one, or not all of them, are in step after the
// verdict.
func Together(parts []*Call) Call {
	c := Call{Kind: parts[0].Kind, DType: parts[0].DType, Op: parts[0].Op, Root: parts[0].Root, parts: uint16(len(parts))}
	// As many shapes as there is room for, behind the number of all elements: each with
	// the number of its dimensions.
	words := 1
	h := mix(uint64(len(parts)), uint64(c.Kind))
	for _, p := range parts {
		h = mix(h, p.Sig)
		elements := int64(1)
		for _, n := range p.described() {
			elements *= n
		}
		c.shape[0] += elements
		if words += copy(c.shape[words:], []int64{int64(p.ndim)}); words < maxDescribedDims {
			words += copy(c.shape[words:], p.described())
		}
	}
	c.ndim = uint8(words)
	c.Sig = h ^ h>>29
	return c
}

// OneByOne is the walk of a rank that cannot take the calls of an operation together: if it
// is not that of all ranks, they start again, with one call after the other.
const OneByOne strided.Walk = 1

// Spelled reports whether the call's whole shape is described.
func (c *Call) Spelled() bool { return c.ndim <= maxDescribedDims }

// numbers is how many numbers of the sequence the call takes.
func (c *Call) numbers() uint64 { return uint64(max(c.parts, 1)) }

func (c *Call) describeParts(b *strings.Builder) {
	words := c.described()
	if len(words) == 0 {
		return // of a rank that cannot be trusted
	}
	fmt.Fprintf(b, " of %d tensors in one, %d elements: shapes", c.parts, words[0])
	told, words := 0, words[1:]
	for len(words) > 0 && words[0] >= 0 && words[0] < int64(len(words)) {
		n := words[0]
		fmt.Fprintf(b, " %v", words[1:1+n])
		told, words = told+1, words[1+n:]
	}
	if more := int(c.parts) - told; more > 0 {
		fmt.Fprintf(b, " and %d more (list %08x)", more, uint32(c.Sig))
	}
}

// Together says that the operation which is begun next stands for several calls, each of
// which is recorded. They stay the caller's, and do not change until it has ended. It
// belongs to the goroutine that begins it, as Begin does.
func (m *Member) Together(parts []*Call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.parts = parts
}

// recordParts is record for an operation that stands for several calls.
func (m *Member) recordParts(e Ended) {
	for _, part := range m.parts {
		if m.recorder != nil {
			m.recorder.Record(part, e)
		}
		e.Seq++
	}
	m.parts = nil
}

// takeEarly is the verdict on an operation not called yet that has some numbers, if there
// is one on any of them.
func (m *Member) takeEarly(seq, numbers uint64) (verdict error) {
	for ; numbers > 0 && len(m.early) > 0; numbers, seq = numbers-1, seq+1 {
		if err := m.early[seq]; err != nil {
			delete(m.early, seq)
			if verdict == nil {
				verdict = err
			}
		}
	}
	return verdict
}
