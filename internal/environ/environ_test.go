package environ

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// of reads variables of a map.
func of(variables map[string]string) *Reader {
	return Of(func(name string) string { return variables[name] })
}

func TestNumbersAreReadAsNCCLDoes(t *testing.T) {
	for text, want := range map[string]int64{"4096": 4096, "0x1000": 4096, "010000": 4096, " 512 ": 512} {
		n, ok := of(map[string]string{"NCCL_BUFFSIZE": text}).Number("NCCL_BUFFSIZE")
		require.True(t, ok, text)
		require.Equal(t, want, n, text)
	}
}

func TestMistakesAreReportedOnceAndHaveNoEffect(t *testing.T) {
	for _, c := range []struct{ name, value, why string }{
		{"NCCL_BUFFSIZE", "4M", "number"},
		{"NCCL_BUFFSIZE", "-1", "number"},
		{"NCCL_BUFFSIZE", "99999999999999999999", "number"},
		{"NCCL_SHM_DISABLE", "yes", "0 or 1"},
		{"NCCL_DEBUG", "LOUD", "INFO"},
		{"NCCL_DEBUG_SUBSYS", "GOSSIP", `"GOSSIP"`},
		{"NCCL_DEBUG_LEVELS", "LOUD", `"LOUD"`},
		{"NCCL_DEBUG_SUBSYS", "^", "some of"},
		{"NCCL_ALGO", "alltoall:tree", `"alltoall"`},
		{"NCCL_PROTO", "allreduce:LL256", `"LL256"`},
		{"NCCL_IB_HCA", "mlx5_0:x", `"x" is no port`},
		{"NCCL_IB_HCA", "^=", "adapters"},
		{"NCCL_IB_HCA", ":1", "name[:port"},
		{"NCCL_IB_HCA", "a:0", `"0" is no port`},
		{"NCCL_IB_HCA", "a:1:0:0:0", "name[:port"},
		{"NCCL_IB_HCA", "a:1:x", "no rail"},
		{"NCCL_IB_HCA", "a:1:0:-2", "no plane"},
		{"NCCL_NET_GDR_LEVEL", "-1", "PXB"},
		{"NCCL_IB_TIMEOUT", "32", "31"},
		{"NCCL_IB_RETRY_CNT", "8", "7"},
		{"NCCL_PSK", "a key", "encrypts nothing"},
		{"NCCL_ALGO", ";", "list"},
		{"MONEL_TIMEOUT", "-3s", "duration"},
		{"MONEL_TIMEOUT", "1e300", "duration"},
		{"MONEL_TIMEOUT", "NaN", "duration"},
		{"NCCL_PROTO", "LL256", "LL128"},
		{"NCCL_IB_SL", "16", "15"},
	} {
		r := of(map[string]string{c.name: c.value})
		for range 2 {
			r.check(Group{Variables: []Variable{*table[c.name].Variable}})
		}
		require.Len(t, r.Warnings(), 1, "%s=%s", c.name, c.value)
		w := r.Warnings()[0]
		require.Equal(t, c.name, w.Name)
		require.False(t, w.Partly)
		if !table[c.name].Secret {
			require.Equal(t, c.value, w.Value)
		}
		require.Contains(t, w.Why, c.why)
	}
	r := of(map[string]string{"NCCL_PROTO": "LL256", "NCCL_IB_SL": "16", "NCCL_CROSS_NIC": "1", "NCCL_DEBUG_SUBSYS": "GOSSIP"})
	r.CheckRest()
	require.Len(t, r.Warnings(), 3, "also where nobody asks")
}

// TestTheRestOfAListCounts: one mistake in a list is reported, and the others' meaning
// stays.
func TestTheRestOfAListCounts(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        any
		why         string
	}{
		{"NCCL_DEBUG_SUBSYS", "INIT,GOSSIP,net", List{Words: []string{"INIT", "NET"}}, `"GOSSIP"`},
		{"NCCL_DEBUG_SUBSYS", "^GOSSIP,NET", List{Except: true, Words: []string{"NET"}}, `"GOSSIP"`},
		{"NCCL_ALGO", "allreduce:ring;alltoall:tree", ByFunction{"allreduce": {Words: []string{"ring"}}}, `"alltoall"`},
		{"NCCL_ALGO", "allreduce:ring;allreduce:tree", ByFunction{"allreduce": {Words: []string{"ring"}}}, "same function"},
		{"NCCL_ALGO", "torus,ring;reduce:torus", ByFunction{"": {Words: []string{"ring"}}}, `"torus"`},
		{"NCCL_IB_HCA", "^=mlx5_0:x, mlx5_1:1:0", "^=mlx5_1:1:0", `"mlx5_0:x"`},
	} {
		r := of(map[string]string{c.name: c.value})
		got := r.parse(c.name, c.value)
		require.Equal(t, c.want, got, "%s=%s", c.name, c.value)
		require.Len(t, r.Warnings(), 1, "%s=%s", c.name, c.value)
		require.True(t, r.Warnings()[0].Partly)
		require.Contains(t, r.Warnings()[0].Why, c.why)
	}
}

// TestWhatNCCLTakes: no warning of values that NCCL takes.
func TestWhatNCCLTakes(t *testing.T) {
	for _, pair := range []string{
		"NCCL_PROTO=^LL128;allreduce:LL128", "NCCL_PROTO=simple", "NCCL_DEBUG=ATTN", "NCCL_DEBUG_LEVELS=warn,ATTN", "NCCL_DEBUG_LEVELS=ALL",
		"NCCL_DEBUG_SUBSYS=ALLOC_HOST,DESTROY", "NCCL_NET_GDR_LEVEL=7", "NCCL_NET_GDR_LEVEL=12", "NCCL_NET_GDR_LEVEL=phb", "NCCL_IB_TIMEOUT=0", "NCCL_IB_RETRY_CNT=0",
		"NCCL_IB_HCA==mlx5_0:1:0:0", "NCCL_IB_HCA==mlx5_0::0:0", "NCCL_IB_HCA=^=mlx5_0:1:0,mlx5_1", "NCCL_IB_HCA=mlx5_0:1:-1:-1", "NCCL_ALGO=allgather:pat;ring",
	} {
		name, value, _ := strings.Cut(pair, "=")
		r := of(map[string]string{name: value})
		require.NotNil(t, r.parse(name, value), pair)
		require.Empty(t, r.Warnings(), pair)
	}
}

func TestLists(t *testing.T) {
	for _, c := range []struct {
		text   string
		has    []string
		hasNot []string
	}{
		{"INIT,coll", []string{"INIT", "COLL"}, []string{"NET"}},
		{"^net, shm", []string{"INIT"}, []string{"NET", "SHM"}},
		{"ALL", []string{"ALL"}, []string{"NET"}},
	} {
		l, ok := of(map[string]string{"NCCL_DEBUG_SUBSYS": c.text}).List("NCCL_DEBUG_SUBSYS")
		require.True(t, ok)
		for _, w := range c.has {
			require.True(t, l.Has(w), "%s: %s", c.text, w)
		}
		for _, w := range c.hasNot {
			require.False(t, l.Has(w), "%s: %s", c.text, w)
		}
	}
}

func TestAlgorithmsOfFunctions(t *testing.T) {
	a, ok := of(map[string]string{"NCCL_ALGO": "ring,CollNetDirect; allreduce:^Tree ;broadcast:ring"}).ByFunction("NCCL_ALGO")
	require.True(t, ok)
	reduce, ok := a.For("allreduce")
	require.True(t, ok)
	require.Equal(t, List{Except: true, Words: []string{"tree"}}, reduce)
	gather, ok := a.For("allgather")
	require.True(t, ok)
	require.Equal(t, []string{"ring", "collnetdirect"}, gather.Words)
	a, _ = of(map[string]string{"NCCL_ALGO": "broadcast:ring"}).ByFunction("NCCL_ALGO")
	_, ok = a.For("allreduce")
	require.False(t, ok)
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{"600": 10 * time.Minute, "1.5": 1500 * time.Millisecond, "90s": 90 * time.Second} {
		require.Equal(t, want, of(map[string]string{"MONEL_TIMEOUT": text}).Duration("MONEL_TIMEOUT"))
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	r := of(map[string]string{"MONEL_SECRET": "hush"})
	require.Equal(t, "hush", r.Get("MONEL_SECRET"))
	r.Warn("MONEL_SECRET", "too short")
	require.Equal(t, []Setting{{Name: "MONEL_SECRET", From: "environment"}}, r.Settings())
	require.Empty(t, r.Warnings()[0].Value)
}

func TestFilesGoAfterTheEnvironment(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	r := of(map[string]string{"NCCL_SOCKET_IFNAME": "eth0"})
	user := write("user", "# NCCL_NET=IB\nNCCL_SOCKET_IFNAME=ib0\n NCCL_ALGO = Ring \nNCCL_ALGO=Tree\nno line\nMONEL_RANK=7\nNCCL_DEBUG==x")
	r.read(user)
	r.read(write("system", "NCCL_ALGO=Tree\r\nNCCL_BUFFSIZE=65536\n"))
	r.read(filepath.Join(dir, "missing"))
	r.read(os.DevNull)
	require.Equal(t, "eth0", r.Get("NCCL_SOCKET_IFNAME"))
	require.Equal(t, "Ring", r.Get("NCCL_ALGO"))
	require.Equal(t, "65536", r.Get("NCCL_BUFFSIZE"))
	require.Empty(t, r.Get("NCCL_NET"))
	require.Empty(t, r.Get("MONEL_RANK"), "a rank is no matter for files")
	require.Equal(t, "=x", r.Get("NCCL_DEBUG"), "as in NCCL_SOCKET_IFNAME==eth0")
	require.Contains(t, r.Settings(), Setting{"NCCL_ALGO", "Ring", user})
}

func TestFilePaths(t *testing.T) {
	home := filepath.Join("h", ".nccl.conf")
	require.Equal(t, []string{"mine", "/etc/nccl.conf"}, filePaths("mine", "h"))
	require.Equal(t, []string{home, "/etc/nccl.conf"}, filePaths("", "h"))
	require.Equal(t, []string{"/etc/nccl.conf"}, filePaths(" ", ""))
}

// TestOpen reads a file as a program does.
func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nccl.conf")
	require.NoError(t, os.WriteFile(path, []byte("NCCL_DEBUG=warn\n"), 0o600))
	t.Setenv("NCCL_CONF_FILE", path)
	t.Setenv("NCCL_DEBUG", "")
	require.Equal(t, "WARN", Open().Text("NCCL_DEBUG"))
}

func TestUnknown(t *testing.T) {
	require.Equal(t, []string{"MONEL_TIMOUT", "NCCL_SOKET_IFNAME"},
		Unknown([]string{"PATH=/", "NCCL_SOKET_IFNAME=x", "NCCL_DEBUG=INFO", "MONEL_TIMOUT=1", "MONEL_TEST_SEED=1", "odd"}))
}

func TestPageIsUpToDate(t *testing.T) {
	page, err := os.ReadFile("../../docs/environment.md")
	require.NoError(t, err)
	require.Equal(t, Page(), strings.ReplaceAll(string(page), "\r\n", "\n"), "run go generate ./internal/environ")
}

// mayAsk are the files that ask the process's environment themselves: what they read
// is wanted before there is a Reader, or has other rules of its own.
var mayAsk = []string{
	"internal/environ/reader.go", "strided/internal/kernel/tier.go", "cudaffi/channels.go", "cudaffi/open.go",
	"cudaffi/cudasim/", "transport/conformance/", "bench/", "engine/env.go",
}

// TestReadingGoesThroughTheTable looks at the sources: names of variables are in the
// table, and nobody else asks the environment.
func TestReadingGoesThroughTheTable(t *testing.T) {
	const root = "../.."
	name := regexp.MustCompile(`^(NCCL|MONEL)_[A-Z0-9_]*[A-Z0-9]$`)
	files := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), "_") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		here, err := filepath.Rel(root, path)
		require.NoError(t, err)
		here = filepath.ToSlash(here)
		allowed := false
		for _, m := range mayAsk {
			allowed = allowed || strings.HasPrefix(here, m)
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				s, err := strconv.Unquote(n.Value)
				if err != nil || !name.MatchString(s) || Known(s) || len(Unknown([]string{s})) == 0 {
					break
				}
				t.Errorf("%s: %s is not in the table of internal/environ", here, s)
			case *ast.SelectorExpr:
				pkg, ok := n.X.(*ast.Ident)
				if ok && pkg.Name == "os" && (n.Sel.Name == "Getenv" || n.Sel.Name == "LookupEnv") && !allowed {
					t.Errorf("%s: %s: read the variable through internal/environ", here, n.Sel.Name)
				}
			}
			return true
		})
		return nil
	}))
	require.Greater(t, files, 100)
}

// FuzzFile reads a configuration file and every value in it.
func FuzzFile(f *testing.F) {
	f.Add("NCCL_DEBUG=INFO\n#\nNCCL_SOCKET_IFNAME==eth0\nNCCL_ALGO=allreduce:^ring;tree\nMONEL_TIMEOUT=1h30m")
	f.Fuzz(func(t *testing.T, content string) {
		for name, value := range parseFile(content) {
			if strings.ContainsAny(name+value, "\n") || strings.HasPrefix(name, "#") {
				t.Errorf("%q=%q", name, value)
			}
			v, ok := table[name]
			if !ok {
				continue
			}
			parsed, err := v.Values.parse(value)
			if parsed == nil && err == nil {
				t.Errorf("%s=%q: %v, %v", name, value, parsed, err)
			}
			if d, ok := parsed.(time.Duration); ok && d <= 0 {
				t.Errorf("%s=%q: %v", name, value, d)
			}
		}
	})
}
