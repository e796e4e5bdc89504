package report

import (
	"encoding/json"
	"fmt"
	"io"
)

// KernelRecord is a row of kernels as a JSON object.
type KernelRecord struct {
	Kernel string             `json:"kernel"`
	DType  string             `json:"dtype"`
	Op     string             `json:"op"` // "none" for kernels that only move
	Layout string             `json:"layout"`
	Slots  string             `json:"slots,omitempty"` // where they are, of kernels on GPUs
	Chunk  int64              `json:"chunk"`           // bytes moved at a time; 0 is all
	Bytes  int64              `json:"bytes"`           // of the tensor
	Rate   float64            `json:"gbs"`             // GB/s, read and written, median
	Wrong  int64              `json:"wrong"`
	Beside map[string]float64 `json:"beside"` // GB/s of each yardstick, median
	Ratios map[string]float64 `json:"ratios"` // our rate over the yardstick's, median of the rounds
}

// KernelTable writes rows of kernels.
type KernelTable struct {
	// Counts says of what, and counted how, the rates are.
	Counts string
	// Slots: there is a column for where slots are.
	Slots bool
	Out   io.Writer
	JSON  io.Writer // or nil
	// Yardsticks are the names of the columns beside ours.
	Yardsticks []string
}

// Head writes what the columns are.
func (t KernelTable) Head(program, about string, rounds int) error {
	_, err := fmt.Fprintf(t.Out, "# %s\n# %s\n# %s, medians of %d rounds, interleaved; x is our rate over theirs, the median per round\n#\n", program, about, t.Counts, rounds)
	if err != nil {
		return err
	}
	line := fmt.Sprintf("# %-13s %-11s %-4s  %-23s%s %5s  %7s", "kernel", "type", "op", "layout", t.slots("slots"), "chunk", "GB/s")
	for _, y := range t.Yardsticks {
		line += fmt.Sprintf("  %8s  %5s", y, "x")
	}
	_, err = fmt.Fprintf(t.Out, "%s  #wrong\n", line)
	return err
}

// slots is the column for where slots are, if there is one.
func (t KernelTable) slots(where string) string {
	if !t.Slots {
		return ""
	}
	return fmt.Sprintf(" %-6s", where)
}

// Add writes a row.
func (t KernelTable) Add(r KernelRecord, chunking string) error {
	line := fmt.Sprintf("  %-13s %-11s %-4s  %-23s%s %5s  %7.2f", r.Kernel, r.DType, r.Op, r.Layout, t.slots(r.Slots), chunking, r.Rate)
	for _, y := range t.Yardsticks {
		if rate, ok := r.Beside[y]; ok {
			line += fmt.Sprintf("  %8.2f  %5.2f", rate, r.Ratios[y])
		} else {
			line += fmt.Sprintf("  %8s  %5s", "-", "-")
		}
	}
	if _, err := fmt.Fprintf(t.Out, "%s  %6d\n", line, r.Wrong); err != nil || t.JSON == nil {
		return err
	}
	return json.NewEncoder(t.JSON).Encode(r)
}
