package launch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/bootstrap"
)

// handover is how rank 0 passes a unique id to the other ranks of its host: a
// file that only their user can read, in a directory that only their user can
// enter, below the system's directory for temporary files. Its name is made from
// the user, the running kernel, the job and the launcher's process, so that jobs
// do not meet; and it names the process that wrote it, so that what a process
// left behind when it was killed is not believed.
type handover struct {
	dir  *os.Root
	path string // of dir, for messages
	name string
}

const (
	handoverMagic = "monel handover 1"
	maxHandover   = 1024
)

// ErrUnsafe: the directory for the handover is not this user's alone.
var ErrUnsafe = errors.New("unsafe directory")

// openHandover opens, and makes if need be, the directory where the ranks of job
// leave word.
func openHandover(job string) (*handover, error) {
	host := bootstrap.LocalHost()
	uid := strconv.Itoa(os.Getuid())
	key := sha256.Sum256([]byte(strings.Join([]string{"handover", uid, host.BootID, job, launcherProcess(strings.HasPrefix(job, "mpich"))}, "\x00")))
	h := &handover{path: filepath.Join(os.TempDir(), "monel-"+uid), name: hex.EncodeToString(key[:16])}
	if err := os.Mkdir(h.path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w: cannot make a directory for the ranks of this host to meet: %w; set TMPDIR to a directory that can be written, or MONEL_ROOT=host:port", bootstrap.ErrLaunch, err)
	}
	before, err := os.Lstat(h.path)
	if err == nil {
		err = checkPrivate(before)
	}
	if err == nil {
		h.dir, err = os.OpenRoot(h.path)
	}
	if err == nil {
		// What was checked is what was opened, not something put in its place.
		var opened fs.FileInfo
		if opened, err = h.dir.Stat("."); err == nil && !os.SameFile(before, opened) {
			err = fmt.Errorf("%w: it was exchanged while it was opened", ErrUnsafe)
		}
		if err != nil {
			h.dir.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w; remove it, or set TMPDIR to a directory of your own, or MONEL_ROOT=host:port", bootstrap.ErrLaunch, h.path, err)
	}
	return h, nil
}

// checkPrivate demands a directory, no link, that only this user can enter.
func checkPrivate(info fs.FileInfo) error {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%w: it is a symbolic link", ErrUnsafe)
	case !info.IsDir():
		return fmt.Errorf("%w: it is not a directory", ErrUnsafe)
	}
	return checkOwner(info)
}

func (h *handover) close() { h.dir.Close() }

// leave writes id for the others. Another rank sees all of it or nothing.
func (h *handover) leave(id bootstrap.ID) error {
	temp := h.name + "." + strconv.Itoa(os.Getpid())
	h.dir.Remove(temp) // of a process that had this number before
	f, err := h.dir.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = f.WriteString(h.text(id))
		if e := f.Close(); err == nil {
			err = e
		}
		if err == nil {
			err = h.dir.Rename(temp, h.name)
		}
		if err != nil {
			h.dir.Remove(temp)
		}
	}
	if err != nil {
		return fmt.Errorf("%w: cannot leave word for the other ranks of this host in %s: %w; set TMPDIR to a directory that can be written, or MONEL_ROOT=host:port", bootstrap.ErrLaunch, h.path, err)
	}
	return nil
}

func (h *handover) text(id bootstrap.ID) string {
	pid := os.Getpid()
	start, _ := processStart(pid)
	return fmt.Sprintf("%s\n%s\n%d %s\n%s\n", handoverMagic, h.name, pid, start, id.Text())
}

// remove takes the word away again.
func (h *handover) remove() { h.dir.Remove(h.name) }

// read returns the id that a living rank 0 has left.
func (h *handover) read() (bootstrap.ID, error) {
	f, err := h.dir.Open(h.name)
	if err != nil {
		return bootstrap.ID{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return bootstrap.ID{}, err
	}
	if !info.Mode().IsRegular() {
		return bootstrap.ID{}, fmt.Errorf("%w: not a regular file", ErrUnsafe)
	}
	if err := checkOwner(info); err != nil {
		return bootstrap.ID{}, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxHandover+1))
	if err != nil {
		return bootstrap.ID{}, err
	}
	return parseHandover(string(b), h.name, processStart)
}

// errStale: the process that left the word has ended.
var errStale = errors.New("left by a process that has ended")

// parseHandover reads what leave has written. start tells when the process with
// the given number was started, and whether that process lives, as far as can be
// known.
func parseHandover(text, name string, start func(pid int) (string, bool)) (bootstrap.ID, error) {
	malformed := fmt.Errorf("%w: malformed", bootstrap.ErrID)
	lines := strings.Split(text, "\n")
	if len(text) > maxHandover || len(lines) != 5 || lines[0] != handoverMagic || lines[1] != name || lines[4] != "" {
		return bootstrap.ID{}, malformed
	}
	number, began, ok := strings.Cut(lines[2], " ")
	pid, err := strconv.Atoi(number)
	if !ok || err != nil || pid < 1 {
		return bootstrap.ID{}, malformed
	}
	if now, alive := start(pid); !alive || now != began {
		return bootstrap.ID{}, fmt.Errorf("%w (%d)", errStale, pid)
	}
	return bootstrap.ParseIDText(lines[3])
}

// await reads until there is an id to be read.
func (h *handover) await(ctx context.Context, timeout time.Duration) (bootstrap.ID, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		id, err := h.read()
		if err == nil {
			return id, nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			why := transport.ErrAborted
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				why = transport.ErrTimeout
			}
			return bootstrap.ID{}, fmt.Errorf("%w: rank 0 has not left word of its address in %s after %v (%w); check that it was started on this host by the same user, with the same TMPDIR, or set MONEL_ROOT=host:port", why, h.path, timeout, err)
		}
	}
}
