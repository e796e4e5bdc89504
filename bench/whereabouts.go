package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/monel-dev/monel/bench/internal/measure"
	"github.com/monel-dev/monel/bench/internal/report"
)

// card is what a rank tells the others about itself, of a fixed size.
type card struct {
	Pid, CPUs int64
	Host      [64]byte // padded with zeros
	Device    [96]byte
}

// whereabouts tells where every rank runs.
func whereabouts(ctx context.Context, comm measure.Comm, gpu *measure.GPU) ([]report.RankInfo, error) {
	mine := card{Pid: int64(os.Getpid()), CPUs: int64(runtime.NumCPU())}
	host, err := os.Hostname()
	if err != nil {
		host = "?"
	}
	copy(mine.Host[:], host)
	if gpu != nil {
		copy(mine.Device[:], gpu.String())
	}
	var packed bytes.Buffer
	if err := binary.Write(&packed, binary.LittleEndian, mine); err != nil {
		return nil, err
	}
	all, err := measure.Gather(ctx, comm, packed.Bytes())
	if err != nil {
		return nil, err
	}
	infos := make([]report.RankInfo, len(all))
	for rank, part := range all {
		var c card
		if err := binary.Read(bytes.NewReader(part), binary.LittleEndian, &c); err != nil {
			return nil, err
		}
		infos[rank] = report.RankInfo{Pid: c.Pid, Host: text(c.Host[:]), CPUs: c.CPUs, Device: text(c.Device[:])}
	}
	return infos, nil
}

// text is what is before the padding.
func text(padded []byte) string { return string(bytes.TrimRight(padded, "\x00")) }

// program names this build.
func program() string {
	version := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	return fmt.Sprintf("monel bench %s %s %s/%s", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
