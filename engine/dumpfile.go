package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/monel-dev/monel/engine/internal/logging"
)

// fileName fills in a pattern of Config.DumpFile or Config.TraceFile.
func (c *Comm) fileName(pattern string) string {
	return logging.Expand(pattern, map[byte]string{'r': strconv.Itoa(c.rank), 'c': c.cfg.Name})
}

// writeFile has write fill a file, which appears under its name when it is complete.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// failureDump writes the flight recorder to Config.DumpFile when something goes
// wrong: when the first collective fails, and when the communicator does.
type failureDump struct {
	collective, comm atomic.Bool // it has been written for that
}

// dumpWait bounds how long a failed call waits for its dump to be on disk. Programs
// end soon after a failure, so it has to be written before the call returns, and a
// disk that does not answer must not hold up the error.
const dumpWait = 2 * time.Second

// dumpFailure writes the dump, if it is wanted and this is news.
func (c *Comm) dumpFailure() {
	if c.cfg.DumpFile == "" {
		return
	}
	news := c.failure.collective.CompareAndSwap(false, true)
	if c.Err() != nil {
		news = c.failure.comm.CompareAndSwap(false, true) || news
	}
	if !news {
		return
	}
	path := c.fileName(c.cfg.DumpFile)
	written := make(chan error, 1)
	go func() { written <- writeFile(path, c.Dump) }()
	wait := time.NewTimer(dumpWait)
	defer wait.Stop()
	err := fmt.Errorf("%w after %v", ErrTimeout, dumpWait)
	select {
	case err = <-written:
	case <-wait.C:
	}
	if err != nil {
		c.cfg.Logger.Warn("the flight recorder could not be written", "rank", c.rank, "file", path, "reason", err)
		return
	}
	c.cfg.Logger.Warn("a collective has failed: the flight recorder is in a file", "rank", c.rank, "file", path)
}
