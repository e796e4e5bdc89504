package report

import (
	"math"
)

// Ours is the name of the contender that this project is.
const Ours = "ours"

// Limit is the name of the contender that moves the bytes and computes nothing.
// It sets no mark to beat.
const Limit = "limit"

// Contender is one of those that are measured in turns.
type Contender struct {
	Name, Version string
	// Transport is what it uses, if that is not what ours use.
	Transport string
}

// Label is how tables and pictures call the contender.
func (c Contender) Label() string {
	if c.Transport == "" {
		return c.Name
	}
	return c.Name + "/" + c.Transport
}

// Match is one size of a contest. The first contender is ours.
type Match struct {
	Bytes, Count int64
	DType, Op    string
	InPlace      bool
	Factor       float64     // busbw / algbw
	Times        [][]float64 // seconds per call, by contender and round
	Wrong        []int64     // by contender, or Unchecked
}

// Time is the median of a contender's rounds, in seconds.
func (m Match) Time(contender int) float64 { return SpreadOf(m.Times[contender]).Median }

// Ratio is the median over the rounds of our time divided by a contender's.
func (m Match) Ratio(contender int) float64 {
	return Ratio{Times: m.Times[0], Base: m.Times[contender]}.Spread().Median
}

// ToBest is the median over the rounds of our time divided by that of the
// fastest peer of the same round, NaN if there is no peer.
func (m Match) ToBest(contenders []Contender) float64 {
	base := make([]float64, len(m.Times[0]))
	peers := 0
	for i, c := range contenders {
		if c.Name == Ours || c.Name == Limit {
			continue
		}
		for round, t := range m.Times[i] {
			if peers == 0 || t < base[round] {
				base[round] = t
			}
		}
		peers++
	}
	if peers == 0 {
		return math.NaN()
	}
	return Ratio{Times: m.Times[0], Base: base}.Spread().Median
}

// WrongValues is the sum over all contenders that were looked at.
func (m Match) WrongValues() int64 {
	var sum int64
	for _, w := range m.Wrong {
		sum += max(w, 0)
	}
	return sum
}

// Result is a contender's measurement.
func (m Match) Result(contender int) *Result {
	return NewResult(m.Bytes, m.Time(contender), m.Factor, m.Wrong[contender])
}
