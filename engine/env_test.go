package engine

import (
	"bytes"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine/internal/choose"
	"github.com/monel-dev/monel/internal/environ"
	"github.com/monel-dev/monel/transport/rdma"
)

// reads is a reader of NAME=VALUE pairs.
func reads(pairs ...string) *environ.Reader {
	return environ.Of(func(name string) string {
		for _, p := range pairs {
			if n, value, _ := strings.Cut(p, "="); n == name {
				return value
			}
		}
		return ""
	})
}

func TestAlgorithmsFrom(t *testing.T) {
	for _, c := range []struct {
		list, allReduce string
		others          Algorithms
		remark          string // the functions for which nothing is left
	}{
		{"", "", Algorithms{}, ""},
		{"Ring", "ring", Algorithms{"chain", "chain", "ring", "ring"}, ""},
		{"Tree", "doubling", Algorithms{"tree", "tree", "auto", "auto"}, "allgather, reducescatter,"},
		{"doubling", "doubling", Algorithms{"auto", "auto", "auto", "auto"}, "broadcast, reduce, allgather, reducescatter,"},
		{"ring,tree", "auto", Algorithms{"auto", "auto", "ring", "ring"}, ""},
		{"^Ring", "doubling", Algorithms{"tree", "tree", "bruck", "bruck"}, ""},
		{"^tree", "ring", Algorithms{"chain", "chain", "auto", "auto"}, ""},
		{"^Ring,Tree,PAT", "auto", Algorithms{"auto", "auto", "auto", "auto"}, "allreduce, broadcast, reduce, allgather, reducescatter,"},
		{" RING , CollNet", "ring", Algorithms{"chain", "chain", "ring", "ring"}, ""},
		{"^NVLS", "auto", Algorithms{"auto", "auto", "auto", "auto"}, ""},
		{"NVLS", "auto", Algorithms{"auto", "auto", "auto", "auto"}, "allreduce, broadcast, reduce, allgather, reducescatter,"},
		{"allreduce:tree;broadcast:ring", "doubling", Algorithms{Broadcast: "chain"}, ""},
		{"broadcast:ring", "", Algorithms{Broadcast: "chain"}, ""},
		{"reduce:tree;reducescatter:pat", "", Algorithms{Reduce: "tree", ReduceScatter: "bruck"}, ""},
		{"allgather:pat;broadcast:nvls", "", Algorithms{AllGather: "bruck", Broadcast: "auto"}, "for broadcast,"},
		{"ring;allreduce:tree", "doubling", Algorithms{"chain", "chain", "ring", "ring"}, ""},
	} {
		r := reads("NCCL_ALGO=" + c.list)
		allReduce, others := algorithmsFrom(r)
		require.Equal(t, c.allReduce, allReduce, "NCCL_ALGO=%q", c.list)
		require.Equal(t, c.others, others, "NCCL_ALGO=%q", c.list)
		require.Empty(t, r.Warnings())
		require.Equal(t, c.remark != "", len(r.Remarks()) == 1, "NCCL_ALGO=%q: %v", c.list, r.Remarks())
		if c.remark != "" {
			require.Contains(t, r.Remarks()[0].What, c.remark)
		}
		_, err := Config{Size: 1, Algorithm: allReduce, Algorithms: others}.resolve()
		require.NoError(t, err)
	}
	require.ElementsMatch(t, environ.Functions(), slices.Collect(maps.Keys(environAlgorithms)))
}

// launchedAs makes the test a rank, and its environment otherwise what pairs say.
func launchedAs(t *testing.T, rank, size int, pairs ...string) {
	t.Helper()
	pairs = append(pairs, "MONEL_RANK="+strconv.Itoa(rank), "MONEL_SIZE="+strconv.Itoa(size),
		"MONEL_ROOT=127.0.0.1:1234", "MONEL_SECRET=a secret of some length", "NCCL_CONF_FILE="+os.DevNull)
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		t.Setenv(name, value)
	}
}

func TestFromEnvReadsNCCLsVariables(t *testing.T) {
	launchedAs(t, 1, 2, "NCCL_SOCKET_IFNAME=^docker,lo", "NCCL_SOCKET_FAMILY=AF_INET6", "NCCL_ALGO=Ring", "NCCL_DEBUG=info",
		"NCCL_SOCKET_NTHREADS=2", "NCCL_NSOCKS_PERTHREAD=4", "NCCL_BUFFSIZE=4194304", "NCCL_SHM_DISABLE=1", "NCCL_NET=Socket",
		"MONEL_HOP_BYTES=65536", "MONEL_TIMEOUT=90", "MONEL_INIT_TIMEOUT=1m")
	cfg, err := FromEnv()
	require.NoError(t, err)
	require.Equal(t, "^docker,lo", cfg.Interface)
	require.Equal(t, "ip6", cfg.Family)
	require.Equal(t, "ring", cfg.Algorithm)
	require.True(t, cfg.Explain)
	require.Equal(t, 8, cfg.Connections)
	require.Equal(t, 64<<10, cfg.HopBytes)
	require.Equal(t, 1<<20, cfg.ChunkBytes)
	require.Empty(t, cfg.Transport)
	require.True(t, cfg.NoSharedMemory)
	require.True(t, cfg.RDMA.Disabled)
	require.Equal(t, 90*time.Second, cfg.Timeout)
	require.Equal(t, time.Minute, cfg.InitTimeout)
	require.Equal(t, 1, cfg.Rank)
	require.Empty(t, cfg.environment.warnings)
	_, err = cfg.resolve()
	require.NoError(t, err)
}

// TestFromEnvReadsAFile: settings may stand in NCCL's configuration file, and are told
// apart from those of the environment.
func TestFromEnvReadsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nccl.conf")
	require.NoError(t, os.WriteFile(path, []byte("NCCL_ALGO=Tree\nNCCL_DEBUG=INFO\nNCCL_SOCKET_IFNAME=ib0\n"), 0o600))
	launchedAs(t, 0, 1, "NCCL_SOCKET_IFNAME=eth0", "NCCL_NO_SUCH_THING=1")
	t.Setenv("NCCL_CONF_FILE", path)
	cfg, err := FromEnv()
	require.NoError(t, err)
	require.Equal(t, "doubling", cfg.Algorithm)
	require.Equal(t, "eth0", cfg.Interface)
	var log bytes.Buffer
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	c, err := Init(t.Context(), cfg)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	require.Contains(t, log.String(), "name=NCCL_ALGO value=Tree from="+path)
	require.Contains(t, log.String(), "name=NCCL_SOCKET_IFNAME value=eth0 from=environment")
	require.Regexp(t, `names=.*NCCL_NO_SUCH_THING`, log.String()) // besides those of whoever runs the tests
}

// TestMistakesInTheEnvironment are warned about once, and settings then have their
// defaults.
func TestMistakesInTheEnvironment(t *testing.T) {
	launchedAs(t, 0, 1, "NCCL_BUFFSIZE=4MiB", "NCCL_ALGO=Torus", "NCCL_PROTO=LL3", "MONEL_TIMEOUT=soon", "NCCL_NET=Infiniband", "NCCL_IB_TC=256",
		"NCCL_SOCKET_NTHREADS=16", "NCCL_NSOCKS_PERTHREAD=8", "NCCL_DEBUG=WARN", "NCCL_DEBUG_FILE="+filepath.Join(t.TempDir(), "no", "directory"))
	reported.Clear()
	var log bytes.Buffer
	for range 2 {
		cfg, err := FromEnv()
		require.NoError(t, err)
		require.NotNil(t, cfg.Logger)
		require.Zero(t, cfg.ChunkBytes)
		require.Zero(t, cfg.Connections)
		require.Zero(t, cfg.Timeout)
		require.Empty(t, cfg.Algorithm)
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c, err := Init(t.Context(), cfg)
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
	for _, name := range []string{"NCCL_BUFFSIZE", "NCCL_ALGO", "NCCL_PROTO", "MONEL_TIMEOUT", "NCCL_NET", "NCCL_IB_TC", "NCCL_NSOCKS_PERTHREAD", "NCCL_DEBUG_FILE"} {
		require.Equal(t, 1, strings.Count(log.String(), "name="+name+" "), "%s in\n%s", name, log.String())
	}
}

func TestLogsFromNCCLsSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	launchedAs(t, 0, 1, "NCCL_DEBUG=INFO", "NCCL_DEBUG_SUBSYS=^ENV", "NCCL_DEBUG_FILE="+path, "NCCL_PROTO=Simple")
	cfg, err := FromEnv()
	require.NoError(t, err)
	cfg.Logger.Info("heard")
	cfg.reportEnvironment()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(content), "level=VERSION msg=\"Monel ")
	require.Contains(t, string(content), "msg=heard")
	require.NotContains(t, string(content), "NCCL_PROTO")
}

// TestWhatIsLogged: levels by themselves, and no file for the version alone.
func TestWhatIsLogged(t *testing.T) {
	for _, c := range []struct {
		pairs []string
		heard string
		file  bool
	}{
		{[]string{"NCCL_DEBUG=ATTN"}, "warn", true},
		{[]string{"NCCL_DEBUG_LEVELS=INFO"}, "info", true},
		{[]string{"NCCL_DEBUG=VERSION", "NCCL_DEBUG_LEVELS=warn"}, "warn", true},
		{[]string{"NCCL_DEBUG_LEVELS=^ALL"}, "", false},
		{[]string{"NCCL_DEBUG=WARN", "NCCL_DEBUG_LEVELS=ALL", "NCCL_DEBUG_SUBSYS=INIT,GOSSIP"}, "info warn", true},
		{[]string{"NCCL_DEBUG=WARN", "NCCL_DEBUG_SUBSYS=DESTROY"}, "warn", true},
		{[]string{"NCCL_DEBUG=VERSION"}, "", false},
		{[]string{"NCCL_DEBUG=NONE"}, "", false},
	} {
		t.Run(strings.Join(c.pairs, " "), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			launchedAs(t, 0, 1, append(c.pairs, "NCCL_DEBUG_FILE="+path)...)
			cfg := SettingsFromEnv()
			cfg.Logger.Info("info")
			cfg.Logger.Warn("warn")
			content, err := os.ReadFile(path)
			if !c.file {
				require.ErrorIs(t, err, os.ErrNotExist)
				return
			}
			require.NoError(t, err)
			var heard []string
			for line := range strings.Lines(string(content)) {
				_, message, _ := strings.Cut(line, "msg=")
				heard = append(heard, strings.Fields(message)[0])
			}
			require.Equal(t, c.heard, strings.Join(heard, " "))
		})
	}
}

func TestConnectionsFrom(t *testing.T) {
	for _, c := range []struct {
		threads, perThread string
		want               int
	}{
		{"", "", 0}, {"2", "", 2}, {"", "4", 4}, {"2", "4", 8}, {"16", "4", 64}, {" 2 ", "1", 2},
		{"16", "8", 0}, {"65", "", 0}, {"-1", "4", 4}, {"0", "0", 0}, {"many", "4", 4}, {"2.5", "", 0},
		{"99999999999999999999", "2", 2},
	} {
		require.Equal(t, c.want, connectionsFrom(reads("NCCL_SOCKET_NTHREADS="+c.threads, "NCCL_NSOCKS_PERTHREAD="+c.perThread)), "%q x %q", c.threads, c.perThread)
	}
}

// TestBoundsOfTheTable: what the table takes, Init takes, too.
func TestBoundsOfTheTable(t *testing.T) {
	require.Equal(t, environ.MaxHopBytes, choose.MaxHop)
	require.Equal(t, environ.MaxConnections, MaxConnections)
	for _, n := range []string{"256", "1000", strconv.Itoa(environ.MaxBuffer)} {
		cfg, err := Config{Size: 1, ChunkBytes: chunkFrom(reads("NCCL_BUFFSIZE=" + n))}.resolve()
		require.NoError(t, err, n)
		require.NotEqual(t, DefaultChunkBytes, cfg.ChunkBytes)
	}
	require.Equal(t, maxChunkBytes, chunkFrom(reads("NCCL_BUFFSIZE="+strconv.Itoa(environ.MaxBuffer))))
}

func TestRDMAFromNCCLsSettings(t *testing.T) {
	launchedAs(t, 0, 1, "NCCL_IB_HCA=^=mlx5_1", "NCCL_IB_GID_INDEX=3", "NCCL_IB_TIMEOUT=20", "NCCL_IB_TC=300")
	cfg, err := FromEnv()
	require.NoError(t, err)
	three := 3
	require.Equal(t, rdma.Settings{HCA: "^=mlx5_1", GIDIndex: &three, Timeout: 20}, cfg.RDMA, "what is out of range is not set")

	launchedAs(t, 0, 1, "NCCL_IB_HCA=mlx5_0:x,mlx5_1")
	cfg, err = FromEnv()
	require.NoError(t, err)
	require.Equal(t, "mlx5_1", cfg.RDMA.HCA)
	require.True(t, cfg.environment.warnings[0].Partly)

	launchedAs(t, 0, 1, "NCCL_NET=Socket")
	cfg, err = FromEnv()
	require.NoError(t, err)
	require.True(t, cfg.RDMA.Disabled)
}

// TestFromVariables: what the caller says counts, and not the process's environment.
func TestFromVariables(t *testing.T) {
	launchedAs(t, 1, 2, "MONEL_HOP_BYTES=65536")
	other := map[string]string{"MONEL_RANK": "3", "MONEL_SIZE": "5", "MONEL_ROOT": "127.0.0.1:1234",
		"MONEL_SECRET": "a secret of some length", "MONEL_HOP_BYTES": "4096", "NCCL_CONF_FILE": os.DevNull}
	cfg, err := FromVariables(func(name string) string { return other[name] })
	require.NoError(t, err)
	require.Equal(t, []int{3, 5, 4096}, []int{cfg.Rank, cfg.Size, cfg.HopBytes})
	cfg = SettingsFromVariables(func(string) string { return "" })
	require.Zero(t, cfg.HopBytes)
}

// TestInitAllReportsTheEnvironment: once for all ranks of this process, over every wire;
// and the signal that asks for dumps is heard.
func TestInitAllReportsTheEnvironment(t *testing.T) {
	for _, wires := range []string{"", "tcp"} {
		launchedAs(t, 0, 1, "NCCL_DEBUG=VERSION", "NCCL_PROTO=LL3", "NCCL_BUFFSIZE=4MiB", "MONEL_DUMP_SIGNAL=USR1")
		reported.Clear()
		dumpOnce = sync.Once{}
		var log bytes.Buffer
		cfg := SettingsFromEnv()
		cfg.Transport = wires
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		ranks, err := InitAll(t.Context(), 2, cfg)
		require.NoError(t, err)
		var closing sync.WaitGroup
		for _, c := range ranks {
			closing.Go(func() { _ = c.Close() })
		}
		closing.Wait()
		for _, once := range []string{"Monel ", "name=NCCL_PROTO ", "name=NCCL_BUFFSIZE "} {
			require.Equal(t, 1, strings.Count(log.String(), once), "%s in\n%s", once, log.String())
		}
		armed := false
		dumpOnce.Do(func() { armed = true })
		require.False(t, armed && runtime.GOOS != "windows", "the signal is not listened for")
	}
}
