package tcp

// A payload that is large enough is cut into stripes, one after the other, and each
// goes over a connection of its own at the same time: within a host a connection is
// as fast as one thread can copy, and some networks give each flow a rate of its own.
// The head goes over the first connection, in front of the first stripe, and says how
// many there are. The other stripes have no heads: a connection carries the stripes
// of one chunk after those of the chunk before.

// stripeAlign is what the length of a stripe is rounded to, so that a stripe keeps its
// offset within pages on its way from slot to slot, as heads see to it for the first.
const stripeAlign = 4096

// stripes is how a payload is cut: the same at both ends, which know both numbers.
type stripes struct{ total, count int }

// stripesOf is how a payload of n bytes is cut for so many connections, into stripes of
// at least so many bytes, but for the last, none of which is empty.
func stripesOf(n, connections, least int) stripes {
	s := stripes{n, min(connections, n/least)}
	if s.count <= 1 {
		return stripes{n, 1}
	}
	s.count = (n + s.size() - 1) / s.size()
	return s
}

// size is the length of all stripes but the last.
func (s stripes) size() int {
	size := (s.total + s.count - 1) / s.count
	return (size + stripeAlign - 1) / stripeAlign * stripeAlign
}

// bounds says where stripe j begins and ends.
func (s stripes) bounds(j int) (lo, hi int) {
	if s.count == 1 {
		return 0, s.total
	}
	size := s.size()
	return min(j*size, s.total), min((j+1)*size, s.total)
}

// length is that of stripe j.
func (s stripes) length(j int) int {
	lo, hi := s.bounds(j)
	return hi - lo
}

// between appends the part [lo,hi) of what pieces are together to list.
func between(list, pieces [][]byte, lo, hi int) [][]byte {
	for _, p := range pieces {
		if hi <= 0 {
			break
		}
		if lo < len(p) {
			list = append(list, p[max(lo, 0):min(hi, len(p))])
		}
		lo -= len(p)
		hi -= len(p)
	}
	return list
}
