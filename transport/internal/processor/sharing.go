package processor

import "runtime"

const (
	// leastPatience and mostPatience bound how many waits in a row must have found
	// the peer on this side's own processor before this side looks for another.
	leastPatience, mostPatience = 2, 1 << 12
	// calmWaits is after how many waits in a row that did not, it does so as
	// readily as at first.
	calmWaits = 16
)

// Sharing notices that the two ends of a link run on one processor in turns. The
// system does that to processes that it wakes at about the same time, and for
// thousands of short waits sees no reason to change it, since one that gives way
// again and again is not held up. Each wait then costs two switches between
// processes, several times what it takes the other way.
type Sharing struct {
	inRow, calm, patience int
}

// Apart notes that the peer did something while this side was watching.
func (s *Sharing) Apart() {
	s.inRow = 0
	if s.calm++; s.calm >= calmWaits {
		s.patience = leastPatience
	}
}

// Together notes that the peer did something while this side gave way. It reports
// whether to move: at first soon, and ever more rarely as long as that does not
// help, because others work on the other processors.
func (s *Sharing) Together() bool {
	s.calm = 0
	s.patience = max(s.patience, leastPatience)
	if s.inRow++; s.inRow < s.patience {
		return false
	}
	s.inRow = 0
	s.patience = min(2*s.patience, mostPatience)
	return true
}

// Roomy reports whether so many ranks can each have a processor.
func Roomy(ranks int) bool { return ranks <= runtime.NumCPU() }
