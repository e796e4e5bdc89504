package limit

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/monel-dev/monel/bench/internal/cli"
)

// Word is the first argument of a process of this contender.
const Word = "limit-rank"

// member is one process.
type member struct {
	rank, size int
	wire       wire
	best       map[string]int // chunk by job
	src, dst   []byte         // windows that stand for the whole tensor, and stay in cache
}

// window is the length of src and dst.
const window = 256 << 10

// wire moves bytes between neighbours in a ring.
type wire interface {
	// exchange sends send bytes to the next rank and receives recv from the one
	// before, at the same time, chunk bytes at a time. The bytes are those of src
	// and dst, over and over.
	exchange(src, dst []byte, send, recv int64, chunk int) error
}

// job is what the driver's line asks for.
type job struct {
	verify     bool
	name       string // equal for equal calls
	collective cli.Collective
	bytes      int64
	root       int
	warmup     int
	iters      int
}

// Run is the process: TRANSPORT SOCKET RANK SIZE FOLDER are its arguments. It
// returns when the driver has hung up.
func Run(args []string) error {
	if len(args) != 5 {
		return fmt.Errorf("%s: want TRANSPORT SOCKET RANK SIZE FOLDER", Word)
	}
	r := member{best: make(map[string]int), src: make([]byte, window), dst: make([]byte, window)}
	// A thread of its own is not moved about while it spins.
	runtime.LockOSThread()
	var err error
	if r.rank, err = strconv.Atoi(args[2]); err != nil {
		return err
	}
	if r.size, err = strconv.Atoi(args[3]); err != nil {
		return err
	}
	var about string
	if r.size == 1 {
		r.wire, about = alone{}, "one rank moves nothing"
	} else if r.wire, about, err = join(cli.Transport(args[0]), r.rank, r.size, args[4]); err != nil {
		return err
	}
	conn, err := net.Dial("unix", args[1])
	if err != nil {
		return err
	}
	fmt.Fprintf(conn, "hello %d %d %s\n", r.rank, r.size, about)
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if _, err := fmt.Fprintln(conn, r.answer(lines.Text())); err != nil {
			return err
		}
	}
	return lines.Err()
}

// alone is the wire of a rank without neighbours.
type alone struct{}

func (alone) exchange(_, _ []byte, _, _ int64, _ int) error { return nil }

func (r *member) answer(line string) string {
	j, err := parse(line)
	if err != nil {
		return "error " + err.Error()
	}
	if j.verify {
		wrong, err := r.verify(j)
		if err != nil {
			return "error " + err.Error()
		}
		return fmt.Sprintf("ok %d", wrong)
	}
	chunk, err := r.choose(j)
	if err != nil {
		return "error " + err.Error()
	}
	seconds, err := r.time(j, chunk)
	if err != nil {
		return "error " + err.Error()
	}
	return fmt.Sprintf("ok %.9e", max(seconds, 1e-9))
}

func parse(line string) (job, error) {
	words := strings.Fields(line)
	if len(words) < 8 {
		return job{}, fmt.Errorf("not a job: %s", line)
	}
	var dt typeSize
	if err := dt.set(words[2]); err != nil {
		return job{}, err
	}
	var n [4]int64
	for i, w := range []string{words[3], words[5], words[6], words[7]} {
		var err error
		if n[i], err = strconv.ParseInt(w, 10, 64); err != nil {
			return job{}, fmt.Errorf("not a job: %s", line)
		}
	}
	return job{
		verify: words[0] == "verify", name: strings.Join(words[1:6], " "), collective: cli.Collective(words[1]),
		bytes: n[0] * int64(dt), root: int(n[1]), warmup: int(n[2]), iters: int(n[3]),
	}, nil
}

// load is what this rank sends and receives in one call: of an all_reduce what a
// ring sends, of a broadcast the tensor, from rank to rank.
func (r *member) load(j job) (send, recv int64) {
	n := int64(r.size)
	if j.collective.Rooted() {
		place := (r.rank - j.root + r.size) % r.size
		if place < r.size-1 {
			send = j.bytes
		}
		if place > 0 {
			recv = j.bytes
		}
		return send, recv
	}
	each := (2*(n-1)*j.bytes + n - 1) / n
	return each, each
}

// chunks are the candidates for the size of a piece.
var chunks = []int{32 << 10, 64 << 10, 128 << 10, 256 << 10}

// choose picks the fastest chunk size, once per kind of job. Ranks need not
// agree on it.
func (r *member) choose(j job) (int, error) {
	if chunk, ok := r.best[j.name]; ok {
		return chunk, nil
	}
	fastest := 0.0
	for attempt := range 2 {
		for _, chunk := range chunks {
			t, err := r.time(j, chunk)
			if err != nil {
				return 0, err
			}
			if attempt == 0 && chunk == chunks[0] || t < fastest {
				fastest, r.best[j.name] = t, chunk
			}
		}
	}
	return r.best[j.name], nil
}

func (r *member) time(j job, chunk int) (float64, error) {
	send, recv := r.load(j)
	var start time.Time
	for i := range j.warmup + j.iters {
		if i == j.warmup {
			if err := r.barrier(); err != nil {
				return 0, err
			}
			start = time.Now()
		}
		if err := r.wire.exchange(r.src, r.dst, send, recv, chunk); err != nil {
			return 0, err
		}
	}
	seconds := time.Since(start).Seconds() / float64(j.iters)
	return seconds, r.barrier()
}

// barrier returns when all ranks have called it: after as many exchanges with
// its neighbours as there are others, word of every rank has come around.
func (r *member) barrier() error {
	var in, out [1]byte
	for range r.size - 1 {
		if err := r.wire.exchange(out[:], in[:], 1, 1, 1); err != nil {
			return err
		}
	}
	return nil
}

// verify counts received bytes that are not those of the rank before.
func (r *member) verify(j job) (int64, error) {
	src, dst := r.src, r.dst
	for i := range src {
		src[i], dst[i] = byte(r.rank+1), 0
	}
	send, recv := r.load(j)
	var wrong int64
	if err := r.wire.exchange(src, dst, send, recv, chunks[0]); err != nil {
		return 0, err
	}
	before := byte((r.rank+r.size-1)%r.size + 1)
	for _, b := range dst[:min(recv, window)] {
		if b != before {
			wrong++
		}
	}
	return wrong, r.barrier()
}

// meetAt is where a rank leaves a note for its neighbour.
func meetAt(folder string, rank int) string {
	return filepath.Join(folder, "limit."+strconv.Itoa(rank))
}
