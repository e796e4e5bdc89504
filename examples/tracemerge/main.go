// Command tracemerge puts the traces of several ranks together into one timeline:
//
//	MONEL_TRACE_FILE=/tmp/trace-%r.json go run ./bench all_reduce -np 4 -b 1M -e 1M -n 5
//	go run ./examples/tracemerge /tmp/trace-*.json > all.json
//
// Open all.json in ui.perfetto.dev or chrome://tracing.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/monel-dev/monel/engine"
)

func main() {
	if err := merge(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tracemerge:", err)
		os.Exit(1)
	}
}

func merge(w io.Writer, paths []string) error {
	if len(paths) == 0 {
		return fmt.Errorf("give the files of the ranks' traces")
	}
	var traces []io.Reader
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		traces = append(traces, f)
	}
	return engine.MergeTraces(w, traces...)
}
