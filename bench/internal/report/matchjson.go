package report

// MatchRecord is one contender's measurement at one size as a JSON object: a
// Record, whose time is the median over the rounds, with these keys more.
type MatchRecord struct {
	Record
	Contender string    `json:"contender"` // "ours", a peer or "limit"
	Version   string    `json:"version"`
	RoundsUS  []float64 `json:"rounds_us"` // the time of every round
	Ratio     float64   `json:"ratio"`     // our time / this one's, median over the rounds
}

// AddMatch writes one object per contender, ours first.
func (j *JSON) AddMatch(about Context, contenders []Contender, m Match) error {
	row := Row{Bytes: m.Bytes, Count: m.Count, DType: m.DType, Op: m.Op}
	for i, c := range contenders {
		about := about
		if i > 0 && c.Name != "torch" && c.Name != "nccl" { // the others move contiguous tensors, whatever ours do
			about.Layout = "contiguous"
		}
		if c.Transport != "" {
			about.Transport = c.Transport
		}
		r := MatchRecord{Record: record(about, row, m.Result(i), m.InPlace), Contender: c.Name, Version: c.Version, Ratio: m.Ratio(i)}
		for _, t := range m.Times[i] {
			r.RoundsUS = append(r.RoundsUS, t*1e6)
		}
		if err := j.out.Encode(r); err != nil {
			return err
		}
	}
	return nil
}
