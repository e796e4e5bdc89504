package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/monel-dev/monel/engine/internal/logging"
)

// fileName fills in a pattern of Config.DumpFile or Config.TraceFile.
func (c *Comm) fileName(pattern string) string {
	name := strings.NewReplacer("/", "-", string(os.PathSeparator), "-").Replace(c.cfg.Name)
	if c.namesake > 0 {
		name += "." + strconv.Itoa(c.namesake) // or one's file would take the other's place
	}
	return logging.Expand(pattern, map[byte]string{'r': strconv.Itoa(c.rank), 'c': name})
}

// written counts files, so that two that are written at once have different names.
var written atomic.Int64

// writeFile has write fill a file, which appears under its name when it is complete.
func writeFile(path string, write func(io.Writer) error) error {
	temporary := fmt.Sprintf("%s.%d.%d", path, os.Getpid(), written.Add(1))
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
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
	mu               sync.Mutex // held while it is written, so that whoever comes meanwhile waits
	collective, comm bool       // it has been written for that
}

// news reports whether there is something to write.
func (d *failureDump) news(broken bool) bool {
	if d.collective && (d.comm || !broken) {
		return false
	}
	d.collective, d.comm = true, broken
	return true
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
	c.failure.mu.Lock()
	defer c.failure.mu.Unlock()
	if !c.failure.news(c.Err() != nil) {
		return
	}
	path := c.fileName(c.cfg.DumpFile)
	ended := make(chan error, 1)
	go func() { ended <- writeFile(path, c.Dump) }()
	wait := time.NewTimer(dumpWait)
	defer wait.Stop()
	err := fmt.Errorf("%w after %v", ErrTimeout, dumpWait)
	select {
	case err = <-ended:
	case <-wait.C:
	}
	if err != nil {
		c.cfg.Logger.Warn("the flight recorder could not be written", "rank", c.rank, "file", path, "reason", err)
		return
	}
	c.cfg.Logger.Warn("a collective has failed: the flight recorder is in a file", "rank", c.rank, "file", path)
}
