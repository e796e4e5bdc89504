package peers

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Driver talks to the processes of one contender, from rank 0 of ours. It is
// not for concurrent use.
type Driver struct {
	name    string
	version string
	timeout time.Duration
	ranks   []*connection // by rank
	ended   func() error  // why the processes are gone, if they are
}

// connection is that to one process.
type connection struct {
	net.Conn
	lines *bufio.Reader
}

// meet accepts the connections of size processes and waits for what they say
// first.
func (d *Driver) meet(listener *net.UnixListener, size int) error {
	d.ranks = make([]*connection, size)
	if err := listener.SetDeadline(time.Now().Add(d.timeout)); err != nil {
		return d.failure(err) // a process may have failed already
	}
	for range size {
		conn, err := listener.Accept()
		if err != nil {
			return d.failure(fmt.Errorf("waiting for its processes: %w", err))
		}
		c := &connection{conn, bufio.NewReader(conn)}
		words, err := d.read(c, "hello", 2)
		if err != nil {
			return errors.Join(err, conn.Close())
		}
		rank, err1 := strconv.Atoi(words[0])
		of, err2 := strconv.Atoi(words[1])
		if errors.Join(err1, err2) != nil || of != size || rank < 0 || rank >= size || d.ranks[rank] != nil {
			return errors.Join(fmt.Errorf("a process says that it is rank %s of %s, where %d are to be", words[0], words[1], size), conn.Close())
		}
		d.ranks[rank] = c
		d.version = strings.Join(words[2:], " ")
	}
	return nil
}

// Name is how the contender is called in tables.
func (d *Driver) Name() string { return d.name }

// Version is what the contender says of itself.
func (d *Driver) Version() string { return d.version }

// Time returns the seconds that one call takes, on the rank where it is
// greatest.
func (d *Driver) Time(j Job) (float64, error) {
	var slowest float64
	return slowest, d.do(timeIt, j, func(word string) error {
		seconds, err := strconv.ParseFloat(word, 64)
		if err == nil && !(seconds > 0) {
			err = fmt.Errorf("a call took %v seconds", seconds)
		}
		slowest = max(slowest, seconds)
		return err
	})
}

// Verify returns the number of wrong values on all ranks after one call.
func (d *Driver) Verify(j Job) (int64, error) {
	var wrong int64
	return wrong, d.do(verifyIt, j, func(word string) error {
		n, err := strconv.ParseInt(word, 10, 64)
		wrong += n
		return err
	})
}

// Digests returns what each rank says of its result: a hash. Only contenders that
// speak MPI do.
func (d *Driver) Digests(j Job) ([]string, error) {
	var digests []string
	return digests, d.do(digestIt, j, func(word string) error {
		digests = append(digests, word)
		return nil
	})
}

// do sends the job to all ranks and gives each one's answer to take. When a
// rank refuses a job all of them do, so each is heard before do returns.
func (d *Driver) do(what string, j Job, take func(word string) error) error {
	for rank, c := range d.ranks {
		if err := c.SetDeadline(time.Now().Add(d.timeout)); err != nil {
			return err
		}
		if _, err := c.Write([]byte(j.text(what, rank))); err != nil {
			return fmt.Errorf("%s, rank %d: %w", d.name, rank, d.failure(err))
		}
	}
	var first error
	for rank, c := range d.ranks {
		words, err := d.read(c, "ok", 1)
		if err == nil {
			err = take(words[0])
		}
		if err != nil && first == nil {
			first = fmt.Errorf("%s, rank %d: %s %s of %d bytes: %w", d.name, rank, what, j.Collective, j.Bytes(), err)
		}
	}
	return first
}

// read reads one line and returns what follows its first word, which must be
// key, at least want words.
func (d *Driver) read(c *connection, key string, want int) ([]string, error) {
	if err := c.SetReadDeadline(time.Now().Add(d.timeout)); err != nil {
		return nil, err
	}
	line, err := c.lines.ReadString('\n')
	if err != nil {
		return nil, d.failure(err)
	}
	words := strings.Fields(line)
	switch {
	case len(words) > 1 && words[0] == "error":
		return nil, errors.New(strings.Join(words[1:], " "))
	case len(words) <= want || words[0] != key:
		return nil, fmt.Errorf("answer %q instead of %s", strings.TrimSpace(line), key)
	}
	return words[1:], nil
}

// failure is err, with what the processes said when they ended.
func (d *Driver) failure(err error) error {
	if d.ended != nil {
		if why := d.ended(); why != nil {
			return fmt.Errorf("%w: %w", err, why)
		}
	}
	return err
}

// hangUp closes all connections, which ends the processes.
func (d *Driver) hangUp() {
	for _, c := range d.ranks {
		if c != nil {
			_ = c.Close()
		}
	}
}
