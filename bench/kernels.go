package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"unsafe"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/kernels"
	"github.com/monel-dev/monel/bench/internal/report"
	"github.com/monel-dev/monel/bench/internal/yardstick"
	"github.com/monel-dev/monel/strided/dtype"
)

// runKernels measures the kernels of this process.
func runKernels(ctx context.Context, cfg *cli.KernelsConfig, out io.Writer) (err error) {
	memcpy, about := yardstick.Memcpy()
	b := kernels.Bench{Rounds: cfg.Rounds, MinTime: cfg.Time, Yardsticks: []kernels.Yardstick{
		{Name: "memcpy", Copy: memcpy}, {Name: "go copy", Copy: goCopy},
	}}
	about = "memcpy is " + about
	if slices.Contains(cfg.Peers, cli.GCC) {
		loops, err := yardstick.BuildC(ctx)
		if err != nil {
			return err
		}
		b.Yardsticks = append(b.Yardsticks, kernels.Yardstick{Name: "gcc", Add: loops.Add})
		about += ", gcc the loops of bench/peers/kernels/kernels.c with " + yardstick.Flags
	}
	if slices.Contains(cfg.Peers, cli.Torch) {
		torch, err := yardstick.StartTorch(ctx)
		if err != nil {
			return err
		}
		defer torch.Close()
		b.Yardsticks = append(b.Yardsticks, torchPacks(torch)...)
		about += ", torch PyTorch " + torch.Version + "'s contiguous() and its copy_ on one thread"
	}
	table := report.KernelTable{Counts: "one core, GB/s read and written", Out: out}
	for _, y := range b.Yardsticks {
		table.Yardsticks = append(table.Yardsticks, y.Name)
	}
	if cfg.JSON != "" {
		records, err := create(cfg.JSON)
		if err != nil {
			return err
		}
		if table.JSON = records; cfg.JSON == "-" {
			table.Out = os.Stderr
		} else { // what a full disk lost shows here at the latest
			defer func() { err = errors.Join(err, records.Close()) }()
		}
	}
	if err := table.Head(program(), about, cfg.Rounds); err != nil {
		return err
	}
	rates := kernels.Rates{}
	wrong := int64(0)
	for _, c := range kernels.Cases(cfg.DTypes, cfg.Ops, cfg.Chunk) {
		if !cfg.Filter.MatchString(c.Name()) {
			continue
		}
		row, err := b.Measure(c)
		if err != nil {
			return err
		}
		rates.Add(row)
		wrong += row.Wrong
		if err := table.Add(record(row, b.Yardsticks), c.Chunking()); err != nil {
			return err
		}
	}
	if err := rates.Write(table.Out); err != nil {
		return err
	}
	return verdictOn(wrong)
}

// record is a row as it is written.
func record(row kernels.Row, yardsticks []kernels.Yardstick) report.KernelRecord {
	r := report.KernelRecord{
		Kernel: string(row.Case.Kernel), DType: row.Case.DType.String(), Op: "none", Layout: row.Case.Shape.Name,
		Chunk: row.Case.Chunk, Bytes: row.Bytes, Rate: row.Rate(report.SpreadOf(row.Ours).Median), Wrong: row.Wrong,
		Beside: map[string]float64{}, Ratios: map[string]float64{},
	}
	if row.Case.Kernel.Reduces() {
		r.Op = row.Case.Op.String()
	}
	for i, y := range yardsticks {
		if times := row.Yardsticks[i]; times != nil {
			ratios := row.Ratios(i, y.Moves())
			r.Ratios[y.Name] = report.SpreadOf(ratios).Median
			moved := row.Rate(report.SpreadOf(times).Median)
			if y.Moves() { // two bytes for each of the tensor's
				moved *= 2 / float64(row.Case.Kernel.Moved())
			}
			r.Beside[y.Name] = moved
		}
	}
	return r
}

// torchPacks are PyTorch's ways to make a tensor contiguous: one that allocates
// the result, and one that writes to a tensor which is there.
func torchPacks(torch *yardstick.Torch) []kernels.Yardstick {
	cases := map[string]string{
		"transpose_4096x4096": "transpose", "channels_last_to_NCHW": "nhwc_to_nchw", "NCHW_to_channels_last": "nchw_to_nhwc",
	}
	sizes := map[int]dtype.DType{2: dtype.Float16, 4: dtype.Float32} // moves do not look further
	const calls = 3
	pack := func(copies bool) func(kernels.Case) (float64, bool, error) {
		return func(c kernels.Case) (float64, bool, error) {
			name, known := cases[c.Shape.Name]
			dt, sized := sizes[c.DType.Size()]
			if !known || !sized {
				return 0, false, nil
			}
			contiguous, copied, err := torch.Time(name, dt, calls)
			if copies {
				contiguous = copied
			}
			return contiguous, true, err
		}
	}
	return []kernels.Yardstick{{Name: "torch", Pack: pack(false)}, {Name: "copy_", Pack: pack(true)}}
}

func goCopy(dst, src unsafe.Pointer, n int) {
	copy(unsafe.Slice((*byte)(dst), n), unsafe.Slice((*byte)(src), n))
}

// create opens the file that --json names.
func create(name string) (io.WriteCloser, error) {
	if name == "-" {
		return os.Stdout, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("--json: %w", err)
	}
	return f, nil
}
