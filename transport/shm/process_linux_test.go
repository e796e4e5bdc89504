package shm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/bootstrap"
)

// The environment that makes the test binary a rank of its own.
const (
	envRole = "MONEL_SHM_TEST_ROLE"
	envID   = "MONEL_SHM_TEST_ID"
	envRank = "MONEL_SHM_TEST_RANK"
	envSize = "MONEL_SHM_TEST_SIZE"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(envRole); role != "" {
		if err := play(role); err != nil {
			fmt.Fprintf(os.Stderr, "role %s: %v\n", role, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// roles are what a process of its own can do. They end when rank 0 is lost.
var roles = map[string]func(w *member) error{
	"echo":  echo,
	"adder": adder,
	"ring":  func(w *member) error { return w.ring(ringSteps(w.size)) },
	"hold":  hold,
	"leave": leave,
	"idle":  idle,
	"pair":  pair,
}

// member is one rank, in this process or another.
type member struct {
	rank, size int
	mesh       *Mesh
	session    *bootstrap.Session
	control    *bootstrap.Control
}

func join(rank, size int, id bootstrap.ID) (*member, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	session, control, err := bootstrap.Connect(ctx, bootstrap.Config{Rank: rank, Size: size, ID: id})
	if err != nil {
		return nil, err
	}
	w := &member{rank: rank, size: size, session: session, control: control}
	w.mesh, err = New(Config{Rank: rank, Size: size, Peers: Peers(session.Table(), rank)}, OverSession(session))
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *member) close() {
	if w.mesh != nil {
		_ = w.mesh.Close()
	}
	_ = w.control.Close()
	_ = w.session.Close()
}

func play(role string) error {
	rank, _ := strconv.Atoi(os.Getenv(envRank))
	size, _ := strconv.Atoi(os.Getenv(envSize))
	id, err := bootstrap.ParseIDText(os.Getenv(envID))
	if err != nil {
		return err
	}
	w, err := join(rank, size, id)
	if err != nil {
		return err
	}
	defer w.close()
	if err := roles[role](w); !errors.Is(err, transport.ErrPeerLost) {
		return err
	}
	return nil
}

// child is another rank's process.
type child struct {
	*exec.Cmd
	out *bufio.Reader
}

// command is the process of one rank.
func command(id bootstrap.ID, role string, rank, size int) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envRole+"="+role, envID+"="+id.Text(),
		envRank+"="+strconv.Itoa(rank), envSize+"="+strconv.Itoa(size))
	cmd.Stderr = os.Stderr
	return cmd
}

func start(t testing.TB, cmd *exec.Cmd) *child {
	t.Helper()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // if the test forgets it
	return &child{cmd, bufio.NewReader(out)}
}

// spawn makes this process rank 0 of a world whose other ranks are processes
// with the given roles.
func spawn(t testing.TB, roles ...string) (*member, []*child) {
	t.Helper()
	return spawnWith(t, nil, roles...)
}

func spawnWith(t testing.TB, attr *syscall.SysProcAttr, roles ...string) (*member, []*child) {
	t.Helper()
	root, err := bootstrap.NewRoot(context.Background(), bootstrap.RootConfig{Addr: "127.0.0.1:0"})
	require.NoError(t, err)
	defer root.Close()
	var children []*child
	for i, role := range roles {
		cmd := command(root.ID(), role, i+1, len(roles)+1)
		cmd.SysProcAttr = attr
		c := start(t, cmd)
		children = append(children, c)
		t.Cleanup(func() { // after the closing of rank 0, which ends the role
			_, _ = io.Copy(io.Discard, c.out)
			if err := c.Wait(); err != nil && !strings.Contains(err.Error(), "killed") {
				t.Errorf("rank %d: %v", i+1, err)
			}
		})
	}
	w, err := join(0, len(roles)+1, root.ID())
	require.NoError(t, err)
	t.Cleanup(w.close)
	return w, children
}

func (w *member) links(to, from int) (transport.Sender, transport.Receiver, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := w.mesh.Sender(ctx, to, 0)
	if err != nil {
		return nil, nil, err
	}
	r, err := w.mesh.Receiver(ctx, from, 0)
	return s, r, err
}

// echo sends every chunk from rank 0 back to it.
func echo(w *member) error {
	s, r, err := w.links(0, 0)
	if err != nil {
		return err
	}
	for {
		h, payload, err := r.Next(context.Background())
		if err != nil {
			return err
		}
		slot, err := s.Acquire(context.Background())
		if err != nil {
			return err
		}
		n := copy(slot, payload)
		head := *h
		r.Release()
		if err := s.Commit(&head, n); err != nil {
			return err
		}
	}
}

// hold sends a chunk, says so, and waits for the end.
func hold(w *member) error {
	s, r, err := w.links(0, 0)
	if err != nil {
		return err
	}
	if err := send(s, 1, 1000); err != nil {
		return err
	}
	fmt.Println("sent")
	_, _, err = r.Next(context.Background())
	return err
}

// leave sends chunks and closes in an orderly way at once.
func leave(w *member) error {
	s, _, err := w.links(0, 0)
	for i := 0; i < w.mesh.Slots() && err == nil; i++ {
		err = send(s, byte(i), w.mesh.SlotSize())
	}
	return err
}

// idle waits for a chunk and reports the processor time that the wait took.
func idle(w *member) error {
	_, r, err := w.links(0, 0)
	if err != nil {
		return err
	}
	if err := receive(r, 1, 0); err != nil { // rank 0 is about to wait, too
		return err
	}
	before := processorTime()
	if err := receive(r, 2, 0); err != nil {
		return err
	}
	fmt.Println(int64(processorTime() - before))
	_, _, err = r.Next(context.Background())
	return err
}

func processorTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestProcesses(t *testing.T) {
	w, _ := spawn(t, "echo")
	s, r, err := w.links(1, 1)
	require.NoError(t, err)
	for i, n := range []int{0, 1, 8, 9, 1000, w.mesh.SlotSize() - 1, w.mesh.SlotSize()} {
		require.NoError(t, send(s, byte(i), n))
		require.NoError(t, receive(r, byte(i), n))
	}
	for i := range 2000 {
		require.NoError(t, send(s, byte(i), i%100))
		if i >= 3 { // several under way
			require.NoError(t, receive(r, byte(i-3), (i-3)%100))
		}
	}
}

func TestProcessRing(t *testing.T) {
	w, _ := spawn(t, "ring", "ring", "ring", "ring")
	s, r, err := w.links(1, 4)
	require.NoError(t, err)
	round := ringRound(s, r, ringSteps(w.size))
	for range 50 {
		require.NoError(t, round())
	}
}

// TestOtherContainer gives the peer process numbers of its own, as containers
// do: what it calls process 1 is another one here.
func TestOtherContainer(t *testing.T) {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	probe := exec.Command("/bin/true")
	probe.SysProcAttr = attr
	if err := probe.Run(); errors.Is(err, os.ErrPermission) {
		t.Skipf("this user may not make a PID namespace: %v", err)
	}
	w, _ := spawnWith(t, attr, "echo")
	s, r, err := w.links(1, 1)
	require.NoError(t, err)
	require.NoError(t, send(s, 5, 5000))
	require.NoError(t, receive(r, 5, 5000))
}

// wantLost demands err to be about the loss of rank 1.
func wantLost(t testing.TB, err error) {
	t.Helper()
	require.ErrorIs(t, err, transport.ErrPeerLost)
	var re *transport.RankError
	require.ErrorAs(t, err, &re)
	require.Equal(t, 1, re.Rank)
}

func TestProcessKilled(t *testing.T) {
	for name, asleep := range map[string]bool{"before the wait": false, "during the wait": true} {
		t.Run(name, func(t *testing.T) {
			w, children := spawn(t, "hold")
			s, r, err := w.links(1, 1)
			require.NoError(t, err)
			_, err = children[0].out.ReadString('\n')
			require.NoError(t, err)
			require.NoError(t, receive(r, 1, 1000))
			kill := func() { require.NoError(t, children[0].Process.Kill()) }
			if asleep {
				time.AfterFunc(20*time.Millisecond, kill)
			} else {
				kill()
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, _, err = r.Next(ctx)
			wantLost(t, err)
			_, err = s.Acquire(ctx)
			wantLost(t, err)
			require.Empty(t, leftInDevShm(t))
		})
	}
}

// TestAllKilled kills every process that maps a segment.
func TestAllKilled(t *testing.T) {
	root, err := bootstrap.NewRoot(t.Context(), bootstrap.RootConfig{Addr: "127.0.0.1:0"})
	require.NoError(t, err)
	defer root.Close()
	children := []*child{start(t, command(root.ID(), "pair", 0, 2)), start(t, command(root.ID(), "pair", 1, 2))}
	for _, c := range children {
		_, err := c.out.ReadString('\n')
		require.NoError(t, err)
	}
	require.Empty(t, leftInDevShm(t), "while they live")
	for _, c := range children {
		require.NoError(t, c.Process.Kill())
	}
	for _, c := range children {
		_ = c.Wait()
	}
	require.Empty(t, leftInDevShm(t))
}

// pair makes links in both directions and uses them until the process is killed.
func pair(w *member) error {
	s, r, err := w.links(1-w.rank, 1-w.rank)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		if err := send(s, byte(i), 1000); err != nil {
			return err
		}
		if err := receive(r, byte(i), 1000); err != nil {
			return err
		}
		if i == 100 {
			fmt.Println("running")
		}
	}
}

func TestProcessLeaves(t *testing.T) {
	w, children := spawn(t, "leave")
	_, err := children[0].out.ReadString('\n')
	require.ErrorIs(t, err, io.EOF, "it has ended")
	r, err := w.mesh.Receiver(t.Context(), 1, 0)
	require.NoError(t, err)
	for i := range w.mesh.Slots() {
		require.NoError(t, receive(r, byte(i), w.mesh.SlotSize()))
	}
	_, _, err = r.Next(t.Context())
	wantLost(t, err)
}

// TestIdleProcessSleeps lets both sides wait for a while. The bound is a
// thousand times what sleeping takes, and a twentieth of what watching would.
func TestIdleProcessSleeps(t *testing.T) {
	const long = time.Second
	w, children := spawn(t, "idle")
	s, r, err := w.links(1, 1)
	require.NoError(t, err)
	require.NoError(t, send(s, 1, 0))
	before := processorTime()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	_, _, err = r.Next(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	own := processorTime() - before
	require.NoError(t, send(s, 2, 0))
	line, err := children[0].out.ReadString('\n')
	require.NoError(t, err)
	took, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	require.NoError(t, err)
	t.Logf("waiting for %v took %v and %v of processor time", long, own, time.Duration(took))
	require.Less(t, own, long/20, "of this process")
	require.Less(t, time.Duration(took), long/20, "of the other process")
}
