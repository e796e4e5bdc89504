package report

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// Header is what stands above the table.
type Header struct {
	Program    string // name and version
	Collective string
	Transport  string
	Layout     string
	Mode       string
	Ranks      []RankInfo
	MinBytes   int64
	MaxBytes   int64
	Step       int64
	StepIs     string // "bytes" or "factor"
	Warmup     int
	Iters      int
	Aggregate  int // calls of a group, 0 or 1 for none
	Check      int
}

// RankInfo is where a rank runs.
type RankInfo struct {
	Pid    int64
	Host   string
	CPUs   int64
	Device string // the GPU; empty if tensors are in host memory
}

// Table writes the table of nccl-tests: the same columns, header and footer.
type Table struct {
	out   io.Writer
	err   error
	name  string
	sum   float64 // of bus bandwidths
	n     int
	wrong int64
}

// NewTable writes the header to out and returns the table to add rows to.
func NewTable(out io.Writer, h Header) *Table {
	t := &Table{out: out, name: h.Collective}
	t.printf("# %s\n", h.Program)
	t.printf("# Collective test starting: %s\n", h.Collective)
	t.printf("# nThread 1 nRanks %d minBytes %d maxBytes %d step: %d(%s) warmup iters: %d iters: %d agg iters: %d validation: %d\n",
		len(h.Ranks), h.MinBytes, h.MaxBytes, h.Step, h.StepIs, h.Warmup, h.Iters, max(h.Aggregate, 1), h.Check)
	t.printf("# transport: %s layout: %s mode: %s\n", h.Transport, h.Layout, h.Mode)
	t.printf("#\n# Using ranks\n")
	for rank, r := range h.Ranks {
		device := r.Device
		if device == "" {
			device = fmt.Sprintf("cpu [%d cores]", r.CPUs)
		}
		t.printf("#  Rank %2d Group %2d Pid %6d on %10s device %s\n", rank, 0, r.Pid, r.Host, device)
	}
	t.printf("#\n")
	t.printf("# %10s  %12s  %8s  %6s  %6s           out-of-place                       in-place          \n", "", "", "", "", "")
	const columns = "# %10s  %12s  %8s  %6s  %6s  %7s  %6s  %6s  %6s  %7s  %6s  %6s  %6s\n"
	t.printf(columns, "size", "count", "type", "redop", "root", "time", "algbw", "busbw", "#wrong", "time", "algbw", "busbw", "#wrong")
	t.printf(columns, "(B)", "(elements)", "", "", "", "(us)", "(GB/s)", "(GB/s)", "", "(us)", "(GB/s)", "(GB/s)", "")
	return t
}

// Add writes a row.
func (t *Table) Add(r Row) {
	t.printf("%12d  %12d  %8s  %6s  %6d%s%s\n", r.Bytes, r.Count, r.DType, r.Op, r.Root, t.half(r.OutOfPlace), t.half(r.InPlace))
}

// half is the four columns of one result, and counts it for the footer.
func (t *Table) half(r *Result) string {
	if r == nil {
		return fmt.Sprintf("  %7s  %6s  %6s  %6s", "-", "-", "-", "-")
	}
	t.sum += r.BusBW
	t.n++
	wrong := "N/A"
	if r.Wrong != Unchecked {
		t.wrong += r.Wrong
		wrong = fmt.Sprintf("%.6g", float64(r.Wrong))
	}
	return fmt.Sprintf("  %7s  %6s  %6s  %6s", fit(r.TimeUS, 7), fit(r.AlgBW, 6), fit(r.BusBW, 6), wrong)
}

// Close writes the footer. It returns the first error that writing met.
func (t *Table) Close() error {
	verdict := "OK"
	if t.wrong != 0 {
		verdict = "FAILED"
	}
	t.printf("# %-20s : %d %s\n", "Out of bounds values", t.wrong, verdict)
	t.printf("# %-20s : %.6g \n", "Avg bus bandwidth", t.sum/float64(max(t.n, 1)))
	t.printf("#\n# Collective test concluded: %s\n", t.name)
	return t.err
}

func (t *Table) printf(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.out, format, args...)
	}
}

// fit writes x with two decimals, or as many as leave it within width.
func fit(x float64, width int) string {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return strings.TrimPrefix(fmt.Sprint(x), "+")
	}
	for decimals := 2; decimals >= 0; decimals-- {
		if s := fmt.Sprintf("%.*f", decimals, x); len(s) <= width {
			return s
		}
	}
	return fmt.Sprintf("%.*e", max(width-6, 0), x)
}
