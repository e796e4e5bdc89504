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
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
	"lost":  lost,
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

// spawn makes this process rank 0 of a world whose other ranks are processes
// with the given roles.
func spawn(t testing.TB, roles ...string) (*member, []*child) {
	t.Helper()
	root, err := bootstrap.NewRoot(context.Background(), bootstrap.RootConfig{Addr: "127.0.0.1:0"})
	require.NoError(t, err)
	defer root.Close()
	id := root.ID()
	size := len(roles) + 1
	var children []*child
	for i, role := range roles {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), envRole+"="+role, envID+"="+id.Text(),
			envRank+"="+strconv.Itoa(i+1), envSize+"="+strconv.Itoa(size))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		c := &child{cmd, bufio.NewReader(out)}
		children = append(children, c)
		t.Cleanup(func() { // after the closing of rank 0, which ends the role
			_, _ = io.Copy(io.Discard, c.out)
			if err := cmd.Wait(); err != nil && !strings.Contains(err.Error(), "killed") {
				t.Errorf("rank %d: %v", i+1, err)
			}
		})
	}
	w, err := join(0, size, id)
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

func lost(w *member) error {
	fmt.Println("here")
	<-w.control.Done()
	return transport.ErrPeerLost
}
