// Package simulate carries out plans without wires and without memory, in worlds far
// larger than any test machine holds, and counts what they cost: hops that follow
// each other, elements and messages sent. Its tests compare that with the formulas of
// docs/algorithms.md, whose table of large worlds is made from it.
//
// Time is counted in hops: a message is there one hop after it was sent, and whatever
// a rank does by itself takes none.
package simulate

//go:generate go run ./gen -f ../../../docs/algorithms.md

// Figures are what one collective costs.
type Figures struct {
	Hops     int64 // that follow each other, until all ranks have everything
	Steps    int64 // most of one rank
	Sent     int64 // elements, most of one rank
	Total    int64 // elements, over all links; 0 if not all were looked at
	Messages int64 // most on one link
}
