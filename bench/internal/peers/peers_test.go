package peers

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/measure"
	"github.com/monel-dev/monel/strided"
)

var someJob = Job{
	Call:   measure.Call{Collective: cli.AllReduce, Layout: layouts.Transpose, DType: strided.Float32, Op: strided.Sum, Count: 6, InPlace: true},
	Warmup: 5, Iters: 20,
}

func TestAJobAsALine(t *testing.T) {
	spec := layouts.New(layouts.Transpose, 0, 6)
	require.Equal(t, []int64{2, 3}, spec.Shape)
	require.Equal(t, "time all_reduce float 6 in_place 0 5 20 2,3 1,2 64 134\n", someJob.text(timeIt, 0))
	other := someJob
	other.Collective, other.InPlace, other.Root = cli.Broadcast, false, 3
	require.Equal(t, "verify broadcast float 6 out_of_place 3 5 20 2,3 1,2 64 134\n", other.text(verifyIt, 1))
}

func start(t *testing.T, behaviour string, timeout time.Duration) (*Contender, error) {
	t.Helper()
	c, err := fake(behaviour).Start(t.Context(), 3, timeout)
	if err == nil {
		t.Cleanup(func() {
			require.NoError(t, c.Close())
			require.NoDirExists(t, c.folder)
		})
	}
	return c, err
}

func TestAContenderIsAskedOnAllRanks(t *testing.T) {
	c, err := start(t, "works", time.Minute)
	require.NoError(t, err)
	require.Equal(t, "fake", c.Name())
	require.Equal(t, "Fake 1.2", c.Version())
	for range 3 {
		seconds, err := c.Time(someJob)
		require.NoError(t, err)
		require.Equal(t, 1.0, seconds, "the slowest rank's")
		wrong, err := c.Verify(someJob)
		require.NoError(t, err)
		require.Equal(t, int64(18), wrong, "the sum of all ranks'")
	}
}

func TestAContenderThatFails(t *testing.T) {
	for _, tc := range []struct{ behaviour, want string }{
		{"refuses", "fake, rank 0: time all_reduce of 24 bytes: no type float"},
		{"babbles", `answer "what?" instead of ok`},
		{"quits", "exit status 4\nout of memory"},
	} {
		c, err := start(t, tc.behaviour, time.Minute)
		require.NoError(t, err)
		_, err = c.Time(someJob)
		require.ErrorContains(t, err, tc.want)
	}
	_, err := start(t, "dies", time.Minute)
	require.ErrorContains(t, err, "exit status 3\nno such interface")
	_, err = start(t, "miscounts", time.Minute)
	require.ErrorContains(t, err, "of 7, where 3 are to be")
}

func TestAContenderThatDoesNotAnswer(t *testing.T) {
	c, err := start(t, "freezes", time.Second)
	require.NoError(t, err)
	_, err = c.Time(someJob)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	b := Builder{Sources: fstest.MapFS{"mpi.c": {Data: []byte("x")}}, Cache: t.TempDir()}
	for peer, packages := range map[cli.Peer]string{
		cli.OpenMPI: "libopenmpi-dev and openmpi-bin", cli.MPICH: "libmpich-dev and mpich", cli.Gloo: "g++ and libgloo-dev",
	} {
		_, err := b.Prepare(t.Context(), peer, cli.TCP)
		require.ErrorContains(t, err, "Debian's "+packages)
	}
}

// A compiler of the test's own tells what it was given by what it makes.
func TestBuildsAreKeptOutsideTheTree(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the test's compiler is a shell script")
	}
	bin, cache := t.TempDir(), t.TempDir()
	script := "#!/bin/sh\n[ \"$(cat \"$4\")\" = broken ] && { echo 'line 1: broken'; exit 1; }\necho run >> " + bin + "/log\ncat \"$4\" > \"$3\"\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "cc-test"), []byte(script), 0o755))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	sources := fstest.MapFS{"a.c": {Data: []byte("one")}}
	b := Builder{Sources: sources, Cache: cache}
	c := compiler{source: "a.c", command: "cc-test", flags: []string{"-O2"}, packages: "cc-test"}

	first, err := b.build(t.Context(), "peer", c)
	require.NoError(t, err)
	require.Equal(t, cache, filepath.Dir(filepath.Dir(filepath.Dir(first))))
	again, err := b.build(t.Context(), "peer", c)
	require.NoError(t, err)
	require.Equal(t, first, again)
	log, err := os.ReadFile(filepath.Join(bin, "log"))
	require.NoError(t, err)
	require.Equal(t, "run\n", string(log), "built once")

	sources["a.c"].Data = []byte("two")
	changed, err := b.build(t.Context(), "peer", c)
	require.NoError(t, err)
	require.NotEqual(t, first, changed)
	text, err := os.ReadFile(changed)
	require.NoError(t, err)
	require.Equal(t, "two", string(text))

	sources["a.c"].Data = []byte("broken")
	_, err = b.build(t.Context(), "peer", c)
	require.ErrorContains(t, err, "line 1: broken")
}

func TestContendersUseTheMediumOfOurs(t *testing.T) {
	require.Contains(t, openMPI(cli.TCP).Args, "tcp,self")
	require.Contains(t, openMPI(cli.SHM).Args, "vader,self")
	require.Contains(t, mpich(cli.TCP).Env, "MPIR_CVAR_NOLOCAL=1")
	require.Contains(t, mpich(cli.TCP).Env, "UCX_TLS=tcp,self")
	require.Empty(t, mpich(cli.SHM).Env)
}
