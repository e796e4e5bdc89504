package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/cudakernels"
	"github.com/monel-dev/monel/bench/internal/kernels"
	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/report"
	"github.com/monel-dev/monel/bench/internal/yardstick"
	"github.com/monel-dev/monel/cudaffi"
)

// runCUDAKernels measures the kernels of a GPU.
func runCUDAKernels(ctx context.Context, cfg *cli.CUDAKernelsConfig, out io.Writer) (err error) {
	driver, err := cudaffi.Default()
	if err != nil {
		return err
	}
	if cfg.Device >= driver.DeviceCount() {
		return fmt.Errorf("--gpu %d: there are %d", cfg.Device, driver.DeviceCount())
	}
	b, err := cudakernels.Open(driver, cfg.Device)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	about := fmt.Sprintf("%s; copy is the driver's of as many bytes, in device memory or across the bus", b.GPU().Name)
	table := report.KernelTable{
		Counts: "GB/s read and written, or, with pinned slots, across the bus in one direction", Slots: true,
		Yardsticks: []string{"copy"}, Out: out,
	}
	if cfg.Torch {
		torch, err := yardstick.StartTorch(ctx)
		if err != nil {
			return err
		}
		defer torch.Close()
		table.Yardsticks = append(table.Yardsticks, "torch", "copy_")
		about += ", torch PyTorch " + torch.Version + "'s contiguous() and its copy_"
		cfg.Plan.Others = torchOnGPU(torch)
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
	if err := table.Head(program(), about, cfg.Plan.Rounds); err != nil {
		return err
	}
	wrong := int64(0)
	for _, c := range cudakernels.Cases(cfg.DTypes, cfg.Ops, cfg.Slots, cfg.Chunk) {
		if !cfg.Filter.MatchString(c.Name()) {
			continue
		}
		row, err := b.Measure(c, cfg.Plan)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name(), err)
		}
		wrong += row.Wrong
		if err := table.Add(recordOfGPU(row, table.Yardsticks), c.Chunking()); err != nil {
			return err
		}
	}
	return verdictOn(wrong)
}

// recordOfGPU is a row as it is written.
func recordOfGPU(row cudakernels.Row, yardsticks []string) report.KernelRecord {
	c := row.Case
	r := report.KernelRecord{
		Kernel: string(c.Kernel), DType: c.DType.String(), Op: "none", Layout: c.Layout.Name, Slots: string(c.Slots),
		Chunk: c.Chunk, Bytes: row.Bytes, Rate: row.Rate(report.SpreadOf(row.Ours).Median), Wrong: row.Wrong,
		Beside: map[string]float64{}, Ratios: map[string]float64{},
	}
	if c.Kernel.Reduces() {
		r.Op = c.Op.String()
	}
	for i, times := range append([][]float64{row.Copy}, row.Others...) {
		if len(times) == 0 {
			continue
		}
		ratios := make([]float64, len(times))
		for k := range times {
			ratios[k] = row.Rate(row.Ours[k]) / row.CopyRate(times[k])
		}
		r.Beside[yardsticks[i]] = row.CopyRate(report.SpreadOf(times).Median)
		r.Ratios[yardsticks[i]] = report.SpreadOf(ratios).Median
	}
	return r
}

// torchOnGPU are PyTorch's ways to make a tensor on the GPU contiguous: one that
// allocates the result, and one that writes to a tensor which is there.
func torchOnGPU(torch *yardstick.Torch) []func(cudakernels.Case, layouts.Spec) (float64, bool, error) {
	const calls = 10
	pack := func(copies bool) func(cudakernels.Case, layouts.Spec) (float64, bool, error) {
		return func(c cudakernels.Case, s layouts.Spec) (float64, bool, error) {
			backwards := slices.ContainsFunc(s.Strides, func(n int64) bool { return n < 0 })
			if c.Kernel != kernels.Pack || c.Slots != cudakernels.Device || c.Layout.Name == string(layouts.Contiguous) || backwards {
				return 0, false, nil
			}
			contiguous, copied, err := torch.Time(yardstick.OnGPU(s.Shape, s.Strides), c.DType, calls)
			if copies {
				contiguous = copied
			}
			return contiguous, true, err
		}
	}
	return []func(cudakernels.Case, layouts.Spec) (float64, bool, error){pack(false), pack(true)}
}
