package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/transport/rdma"
)

// fixture is a machine on which nothing is lacking but a GPU. Files are added
// under its root.
func fixture(t *testing.T, files map[string]string) System {
	t.Helper()
	s := System{
		Program: "bench", Processor: "Processor", Cores: 8, Root: t.TempDir(),
		Env:     func(string) string { return "" },
		Kernels: func() (string, []string) { return "avx2", []string{"scalar", "avx2"} },
		Driver: func() (*cudaffi.Driver, error) {
			return nil, &cudaffi.LoadError{Path: "libcuda.so.1", Err: errors.New("absent")}
		},
		Interfaces: func() ([]Interface, error) {
			return []Interface{{Name: "eth0", Addresses: []string{"10.0.0.5/24"}}}, nil
		},
		Addresses: func(string) ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("10.0.0.5")}, nil },
		Load:      func(string) error { return nil }, SharedMemory: func() error { return nil }, Memfd: func() error { return nil },
		Space: func(string) (int64, int64, error) { return 64 << 20, 3 << 20, nil },
	}
	for name, text := range files {
		path := filepath.Join(s.Root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return s
}

func env(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

// one is the only lack there is.
func one(t *testing.T, all []Lack) Lack {
	t.Helper()
	require.Len(t, all, 1)
	require.NotEmpty(t, all[0].Remedy)
	return all[0]
}

func TestKernels(t *testing.T) {
	s := fixture(t, nil)
	require.Equal(t, Kernels{Active: "avx2", Supported: []string{"scalar", "avx2"}, Processor: "Processor", Cores: 8, Lacks: []Lack{}}, s.Look().Kernels)

	s.Env = env(map[string]string{"MONEL_KERNELS": "neon"})
	require.Contains(t, one(t, s.Look().Kernels.Lacks).What, `MONEL_KERNELS is "neon"`)

	s.Env = env(map[string]string{"MONEL_KERNELS": "scalar"})
	s.Kernels = func() (string, []string) { return "scalar", []string{"scalar", "avx2"} }
	require.Contains(t, one(t, s.Look().Kernels.Lacks).What, "scalar kernels are in use, though there are faster ones, avx2")

	s.Env = env(nil)
	s.Kernels = func() (string, []string) { return "scalar", []string{"scalar"} }
	require.Contains(t, one(t, s.Look().Kernels.Lacks).What, "no kernels for this processor")
}

func TestNoGPUComesWithARemedy(t *testing.T) {
	s := fixture(t, nil)
	g := s.Look().GPUs
	require.Empty(t, g.Library)
	require.Empty(t, g.Found)
	l := one(t, g.Lacks)
	require.Equal(t, "no CUDA driver: absent", l.What)
	require.Contains(t, l.Remedy, "libcuda1")

	s.Driver = func() (*cudaffi.Driver, error) {
		return nil, &cudaffi.Error{Call: "cuInit", Code: 100, Name: "CUDA_ERROR_NO_DEVICE", Text: "no device"}
	}
	l = one(t, s.Look().GPUs.Lacks)
	require.Equal(t, "cuInit: no device (CUDA_ERROR_NO_DEVICE, 100)", l.What)
	require.Contains(t, l.Remedy, "nvidia-smi")
}

func TestNetwork(t *testing.T) {
	s := fixture(t, map[string]string{"sys/class/net/eth0/speed": "100000\n"})
	s.Env = env(map[string]string{"NCCL_SOCKET_IFNAME": "=eth0"})
	var asked string
	offered := []netip.Addr{netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("fd00::5")}
	s.Addresses = func(selection string) ([]netip.Addr, error) { asked = selection; return offered, nil }
	require.Equal(t, Network{
		Selection: "=eth0", Interfaces: []Interface{{Name: "eth0", Addresses: []string{"10.0.0.5/24"}, MbitPerS: 100000}},
		Addresses: []string{"10.0.0.5", "fd00::5"}, Lacks: []Lack{},
	}, s.Look().Network)
	require.Equal(t, "=eth0", asked)

	offered = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	require.Contains(t, one(t, s.Look().Network.Lacks).What, "only loopback")

	s.Addresses = func(string) ([]netip.Addr, error) { return nil, errors.New("nothing matches") }
	l := one(t, s.Look().Network.Lacks)
	require.Equal(t, "nothing matches", l.What)
	require.Contains(t, l.Remedy, `NCCL_SOCKET_IFNAME is "=eth0": name interfaces of this machine (eth0)`)

	s.Interfaces = func() ([]Interface, error) { return nil, errors.New("not permitted") }
	n := s.Look().Network
	require.Contains(t, n.Lacks[0].What, "not permitted")
	require.NotNil(t, n.Interfaces)
}

// The kernel has -1 for the speed of a virtual interface, or refuses to tell.
func TestUnknownSpeedIsZero(t *testing.T) {
	s := fixture(t, map[string]string{"sys/class/net/a/speed": "-1\n", "sys/class/net/b/speed": "", "sys/class/net/c/speed": "25000"})
	for name, want := range map[string]int{"a": 0, "b": 0, "c": 25000, "d": 0} {
		require.Equal(t, want, s.speed(name), name)
	}
}

func TestRDMA(t *testing.T) {
	s := fixture(t, nil)
	r := s.Look().RDMA
	require.Empty(t, r.Devices)
	require.True(t, r.Library)
	require.Contains(t, one(t, r.Lacks).What, "no RDMA device")

	port := "sys/class/infiniband/mlx5_0/ports/1/"
	s = fixture(t, map[string]string{
		port + "state": "4: ACTIVE\n", port + "link_layer": "InfiniBand\n", port + "rate": "200 Gb/sec (4X HDR)\n",
		"sys/class/infiniband/mlx5_1/node_guid": "0000:0000:0000:0001\n", "dev/infiniband/uverbs0": "",
	})
	var settings rdma.Settings
	s.Env = env(map[string]string{"NCCL_IB_HCA": "mlx5"})
	s.Ports = func(asked rdma.Settings) ([]string, error) { settings = asked; return []string{"mlx5_0:1"}, nil }
	require.Equal(t, RDMA{Library: true, Chosen: []string{"mlx5_0:1"}, GPUs: []Direct{}, Lacks: []Lack{}, Devices: []RDMADevice{
		{Name: "mlx5_0", Ports: []RDMAPort{{Number: "1", State: "ACTIVE", Link: "InfiniBand", Rate: "200 Gb/sec (4X HDR)"}}},
		{Name: "mlx5_1", Ports: []RDMAPort{}},
	}}, s.Look().RDMA)

	require.Equal(t, "mlx5", settings.HCA)

	s.Direct = func(_ rdma.Settings, gpu string, exports bool) (string, error) {
		if exports {
			return "dma-buf of " + gpu, nil
		}
		return "", errors.New("no way")
	}
	require.Equal(t, []Direct{{Ordinal: 0, Way: "dma-buf of a"}, {Ordinal: 1, Why: "no way"}},
		s.rdma([]GPU{{Ordinal: 0, PCI: "a", DMABuf: true}, {Ordinal: 1, PCI: "b"}}).GPUs)

	s.Ports = func(rdma.Settings) ([]string, error) { return nil, errors.New("mlx5_0:1 is down") }
	require.Equal(t, Lack{What: "mlx5_0:1 is down"}, s.Look().RDMA.Lacks[0])

	var asked []string
	s.Load = func(library string) error { asked = append(asked, library); return errors.New("absent") }
	r = s.Look().RDMA
	require.False(t, r.Library)
	require.Contains(t, one(t, r.Lacks).Remedy, "apt-get install libibverbs1")
	require.Equal(t, []string{"libibverbs.so.1"}, asked)

	s = fixture(t, map[string]string{port + "state": "nonsense"})
	r = s.Look().RDMA
	require.Equal(t, RDMAPort{Number: "1", State: "unknown", Link: "unknown", Rate: "unknown"}, r.Devices[0].Ports[0])
	require.Contains(t, one(t, r.Lacks).What, "/dev/infiniband/uverbs0")
}

func TestSharedMemory(t *testing.T) {
	s := fixture(t, nil)
	require.Equal(t, SharedMemory{Usable: true, Memfd: true, Size: 64 << 20, Free: 3 << 20, Lacks: []Lack{}}, s.Look().Memory)

	s.Memfd = func() error { return errors.New("seccomp") }
	m := s.Look().Memory
	require.True(t, m.Usable)
	require.False(t, m.Memfd)

	s.SharedMemory = func() error { return errors.New("neither") }
	m = s.Look().Memory
	require.False(t, m.Usable)
	l := one(t, m.Lacks)
	require.Equal(t, "neither", l.What)
	require.Contains(t, l.Remedy, "--shm-size")
}

func TestTextHasEverything(t *testing.T) {
	r := fixture(t, nil).Look()
	r.GPUs = GPUs{Library: "libcuda.so.1", CUDA: "12.4", Lacks: []Lack{{"a GPU is old", "buy one"}}, Found: []GPU{
		{Ordinal: 0, Name: "NVIDIA H100", Memory: 80 << 30, Capability: "9.0", PCI: "0000:1b:00.0", UUID: "GPU-1"},
	}}
	r.RDMA.Devices = []RDMADevice{{Name: "rxe0", Ports: []RDMAPort{{"1", "ACTIVE", "Ethernet", "2.5 Gb/sec (1X SDR)"}}}, {Name: "dead"}}
	r.RDMA.Chosen, r.RDMA.Lacks = []string{"rxe0:1, 2.5 Gbit/s", "rxe1:1, 1 Gbit/s"}, nil
	r.RDMA.GPUs = []Direct{{Ordinal: 0, Way: "dma-buf"}, {Ordinal: 1, Why: "too far"}}
	r.Network.Interfaces[0].MbitPerS = 2500
	var text strings.Builder
	require.NoError(t, r.Write(&text))
	require.Equal(t, `# bench

kernels        avx2, of scalar, avx2
               Processor, 8 cores

GPUs           1 GPU, driver libcuda.so.1 for CUDA 12.4
               0: NVIDIA H100, 80.0 GiB, compute capability 9.0, PCI 0000:1b:00.0, GPU-1
               lacking: a GPU is old
               remedy:  buy one

network        eth0: 10.0.0.5/24, 2.5 Gbit/s
               offered to other hosts: 10.0.0.5 (NCCL_SOCKET_IFNAME is not set)

RDMA           used between hosts: rxe0:1, 2.5 Gbit/s
               or, by other ranks: rxe1:1, 1 Gbit/s
               rxe0 port 1: ACTIVE, Ethernet, 2.5 Gb/sec (1X SDR)
               dead: no port
               GPU 0: its memory is read directly, by dma-buf
               GPU 1: through the host's memory: too far

shared memory  anonymous memory files (memfd)
               /dev/shm: 64 MiB, 3 MiB free
`, text.String())
}

func TestLongTextsAreBrokenBetweenWords(t *testing.T) {
	long := strings.Repeat("words and more ", 30)
	var p page
	p.section("heading")
	p.lacks([]Lack{{long, ""}})
	lines := strings.Split(strings.TrimSpace(p.text.String()), "\n")
	require.Greater(t, len(lines), 4)
	var words []string
	for i, line := range lines {
		require.LessOrEqual(t, len(line), 110)
		prefix := strings.Repeat(" ", 24)
		if i == 0 {
			prefix = fmt.Sprintf("%-15slacking: ", "heading")
		}
		rest, ok := strings.CutPrefix(line, prefix)
		require.True(t, ok, line)
		words = append(words, strings.Fields(rest)...)
	}
	require.Equal(t, strings.Fields(long), words)
}

// No list is null, so that scripts can loop over it.
func TestJSONHasNoNull(t *testing.T) {
	for name, s := range map[string]System{"this machine": This("bench", "Processor", 1), "fixture": fixture(t, nil)} {
		t.Run(name, func(t *testing.T) {
			r := s.Look()
			text, err := json.Marshal(r)
			require.NoError(t, err)
			require.NotContains(t, string(text), "null")
			var back Report
			require.NoError(t, json.Unmarshal(text, &back))
			require.Equal(t, r, back)
		})
	}
}

func TestThisMachine(t *testing.T) {
	r := This("bench", "Processor", runtime.NumCPU()).Look()
	require.Contains(t, r.Kernels.Supported, "scalar")
	require.NotEmpty(t, r.Network.Interfaces)
	require.NotEmpty(t, r.Network.Addresses)
	require.NotEqual(t, r.GPUs.Library == "", len(r.GPUs.Lacks) == 0, "GPUs, or why there are none")
	require.Equal(t, runtime.GOOS == "linux", r.Memory.Usable)
}
