package shm

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/monel-dev/monel/transport"
)

// mappings counts the segments that this process maps, and the anonymous
// memory at mem's addresses.
func mappings(t testing.TB) int {
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	return strings.Count(string(maps), "monel-")
}

func mappedAt(t testing.TB, mem []byte) bool {
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	p := uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
	for line := range strings.Lines(string(maps)) {
		var lo, hi uintptr
		if _, err := fmt.Sscanf(line, "%x-%x", &lo, &hi); err == nil && lo <= p && p < hi {
			return true
		}
	}
	return false
}

func leftInDevShm(t testing.TB) []string {
	left, err := filepath.Glob("/dev/shm/monel-*")
	require.NoError(t, err)
	return left
}

// onlyDevShm makes segments as if there were no memfd_create.
func onlyDevShm(_ int, sys *system) {
	sys.create = func(n nonce, size int) (*os.File, error) { return createUnnamed("/dev/shm", n, size) }
}

func TestCloseUnmaps(t *testing.T) {
	for name, adapt := range map[string]func(int, *system){"memfd": nil, "/dev/shm": onlyDevShm} {
		t.Run(name, func(t *testing.T) {
			before := mappings(t)
			all, _ := meshes(t, 3, Config{}, adapt)
			for rank, m := range all {
				for channel := range 2 {
					s, err := m.Sender(t.Context(), (rank+1)%3, channel)
					require.NoError(t, err)
					require.NoError(t, send(s, 1, 100))
				}
			}
			require.Equal(t, before+12, mappings(t), "6 links, each mapped by both sides")
			require.Empty(t, leftInDevShm(t))
			for _, m := range all {
				require.NoError(t, m.Close())
			}
			require.Equal(t, before, mappings(t))
		})
	}
}

// TestHeldSlot writes to slots whose mesh was closed under their user.
func TestHeldSlot(t *testing.T) {
	before := mappings(t)
	all, _ := meshes(t, 2, Config{}, nil)
	closeAfter(t, all)
	s, r := linkOf(t, all)
	require.NoError(t, send(s, 7, 1000))
	_, payload, err := r.Next(t.Context())
	require.NoError(t, err)
	slot, err := s.Acquire(t.Context())
	require.NoError(t, err)
	for _, m := range all {
		require.NoError(t, m.Close())
	}
	require.Equal(t, before, mappings(t), "the segment itself is gone")
	clear(slot)
	require.Equal(t, byte(0), payload[0])
	require.ErrorIs(t, s.Commit(&transport.Header{}, 8), transport.ErrClosed)
	r.Release()
	require.True(t, mappedAt(t, slot))
}

func TestRetire(t *testing.T) {
	f, err := createMemfd(nonce{1}, 1<<20)
	require.NoError(t, err)
	defer f.Close()
	mem, err := mapFile(f, 1<<20)
	require.NoError(t, err)
	mem[5] = 1
	retire(mem, 50*time.Millisecond)
	require.Zero(t, mem[5])
	require.Eventually(t, func() bool { return !mappedAt(t, mem) }, 10*time.Second, 10*time.Millisecond)
}

func TestVet(t *testing.T) {
	const size = 8192
	dir := t.TempDir()
	for name, c := range map[string]struct {
		open func() (*os.File, error)
		want string
	}{
		"memfd":       {func() (*os.File, error) { return createMemfd(nonce{1}, size) }, ""},
		"unnamed":     {func() (*os.File, error) { return createUnnamed(dir, nonce{1}, size) }, ""},
		"wrong size":  {func() (*os.File, error) { return createMemfd(nonce{1}, size+1) }, "8193 bytes"},
		"a directory": {func() (*os.File, error) { return os.Open(dir) }, "regular"},
		"a device":    {func() (*os.File, error) { return os.Open("/dev/zero") }, "regular"},
		"a pipe": {func() (*os.File, error) {
			r, w, err := os.Pipe()
			w.Close()
			return r, err
		}, "regular"},
		"not sealed": {func() (*os.File, error) {
			fd, err := unix.MemfdCreate("x", unix.MFD_CLOEXEC)
			if err != nil {
				return nil, err
			}
			f := os.NewFile(uintptr(fd), "x")
			return f, f.Truncate(size)
		}, "neither sealed nor private"},
		"has a name": {func() (*os.File, error) {
			f, err := os.OpenFile(filepath.Join(dir, "named"), os.O_RDWR|os.O_CREATE, 0o600)
			if err != nil {
				return nil, err
			}
			return f, f.Truncate(size)
		}, "neither sealed nor private"},
		"for all": {func() (*os.File, error) {
			f, err := createUnnamed(dir, nonce{1}, size)
			if err != nil {
				return nil, err
			}
			return f, f.Chmod(0o644)
		}, "neither sealed nor private"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := c.open()
			require.NoError(t, err)
			defer f.Close()
			if err := vet(f, size); c.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.want)
			}
		})
	}
}

func TestMemfdCannotBeCut(t *testing.T) {
	f, err := createMemfd(nonce{1}, 8192)
	require.NoError(t, err)
	defer f.Close()
	require.ErrorIs(t, f.Truncate(0), unix.EPERM)
	require.ErrorIs(t, f.Truncate(1<<20), unix.EPERM)
	_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE)
	require.ErrorIs(t, err, unix.EPERM)
}

func TestUnnamedFile(t *testing.T) {
	f, err := createUnnamed("/dev/shm", nonce{2}, 8192)
	require.NoError(t, err)
	defer f.Close()
	require.Empty(t, leftInDevShm(t))
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(int(f.Fd()), &st))
	require.Equal(t, uint32(unix.S_IFREG|0o600), st.Mode)
	require.GreaterOrEqual(t, st.Blocks*512, int64(8192), "its memory is there already")
}

func TestOpenProcChecksTheName(t *testing.T) {
	f, err := createMemfd(nonce{3}, 8192)
	require.NoError(t, err)
	defer f.Close()
	o := &offer{pid: uint32(os.Getpid()), fd: uint32(f.Fd()), size: 8192, nonce: nonce{3}, way: wayProc}
	got, err := openOffered(o)
	require.NoError(t, err)
	got.Close()
	o.nonce = nonce{4}
	_, err = openOffered(o)
	require.ErrorContains(t, err, "another one here")
	o.fd = 1 << 20
	_, err = openOffered(o)
	require.ErrorIs(t, err, os.ErrNotExist)
	o.way = 9
	_, err = openOffered(o)
	require.ErrorContains(t, err, "way 9")
}

// TestPasser has strangers at the socket through which a descriptor is passed.
func TestPasser(t *testing.T) {
	f, err := createMemfd(nonce{5}, 8192)
	require.NoError(t, err)
	defer f.Close()
	o := &offer{size: 8192, nonce: nonce{5}, way: wayPass}
	passer, err := passFile(o, f)
	require.NoError(t, err)
	defer passer.Close()

	silent, err := net.Dial("unix", o.socket)
	require.NoError(t, err)
	defer silent.Close()

	guess := *o
	guess.token[0]++
	_, err = openOffered(&guess)
	require.Error(t, err, "with a wrong token")

	got, err := openOffered(o)
	require.NoError(t, err)
	defer got.Close()
	mine, err := mapFile(f, 8192)
	require.NoError(t, err)
	defer unmap(mine)
	theirs, err := mapFile(got, 8192)
	require.NoError(t, err)
	defer unmap(theirs)
	mine[100] = 42
	require.Equal(t, byte(42), theirs[100])

	require.NoError(t, passer.Close())
	_, err = openOffered(o)
	require.Error(t, err, "after it was closed")
	_ = silent.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, err = silent.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the silent stranger is let go")

	o.socket = "/tmp/not-abstract"
	_, err = openOffered(o)
	require.ErrorContains(t, err, "not abstract")
}

// TestOwnUser: names of sockets are no secret, so what another user's processes do there
// must not matter.
func TestOwnUser(t *testing.T) {
	f, err := createMemfd(nonce{6}, 4096)
	require.NoError(t, err)
	defer f.Close()
	p, err := passFile(&offer{size: 4096}, f)
	require.NoError(t, err)
	defer p.Close()
	own := uint32(os.Geteuid())
	for uid, want := range map[uint32]bool{own: true, 0: true, own + 1: false, 65534: own == 65534} {
		if p.(*passer).user(uid) != want {
			t.Errorf("user %d: allowed %v, want %v", uid, !want, want)
		}
	}
}

// TestCallerIsAsked: a passer that is not meant for this user gives it nothing, not even for
// the token, and knows who it is from the system.
func TestCallerIsAsked(t *testing.T) {
	f, err := createMemfd(nonce{6}, 4096)
	require.NoError(t, err)
	defer f.Close()
	for _, want := range []bool{true, false} {
		o := &offer{size: 4096, nonce: nonce{6}, way: wayPass}
		asked := make(chan uint32, 1)
		passer, err := passFileTo(o, f, func(uid uint32) bool { asked <- uid; return want })
		require.NoError(t, err)
		got, err := openOffered(o)
		require.Equal(t, want, err == nil, "%v", err)
		require.Len(t, asked, 1)
		require.Equal(t, uint32(os.Geteuid()), <-asked)
		if err == nil {
			got.Close()
		}
		require.NoError(t, passer.Close())
	}
}
