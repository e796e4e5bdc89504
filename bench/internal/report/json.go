package report

import (
	"encoding/json"
	"io"
)

// Record is one measurement as a JSON object. Its keys are what scripts read:
// none may be added, renamed or dropped.
type Record struct {
	Collective string  `json:"collective"`
	Ranks      int     `json:"ranks"`
	Transport  string  `json:"transport"`
	Layout     string  `json:"layout"`
	Device     string  `json:"device"`
	DType      string  `json:"dtype"`
	Op         string  `json:"op"`
	Bytes      int64   `json:"bytes"`
	Count      int64   `json:"count"`
	TimeUS     float64 `json:"time_us"`
	AlgBW      float64 `json:"algbw"`
	BusBW      float64 `json:"busbw"`
	Wrong      *int64  `json:"wrong"` // null when nobody looked
	InPlace    bool    `json:"inplace"`
}

// Context is what all records of a row have in common beyond the row.
type Context struct {
	Collective, Transport, Layout, Device string
	Ranks                                 int
}

// JSON writes records, one object to a line.
type JSON struct {
	out *json.Encoder
}

// NewJSON returns a writer of records to out.
func NewJSON(out io.Writer) *JSON { return &JSON{json.NewEncoder(out)} }

// Add writes the row's measurements, out of place first.
func (j *JSON) Add(c Context, r Row) error {
	for _, half := range []struct {
		result  *Result
		inPlace bool
	}{{r.OutOfPlace, false}, {r.InPlace, true}} {
		if half.result == nil {
			continue
		}
		if err := j.out.Encode(record(c, r, half.result, half.inPlace)); err != nil {
			return err
		}
	}
	return nil
}

func record(c Context, r Row, res *Result, inPlace bool) Record {
	rec := Record{
		Collective: c.Collective, Ranks: c.Ranks, Transport: c.Transport, Layout: c.Layout, Device: c.Device,
		DType: r.DType, Op: r.Op, Bytes: r.Bytes, Count: r.Count,
		TimeUS: res.TimeUS, AlgBW: res.AlgBW, BusBW: res.BusBW, InPlace: inPlace,
	}
	if res.Wrong != Unchecked {
		rec.Wrong = &res.Wrong
	}
	return rec
}
