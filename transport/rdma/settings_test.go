package rdma

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
)

func env(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestFromEnv(t *testing.T) {
	require.Equal(t, Settings{}, FromEnv(env(nil)))
	three := 3
	require.Equal(t, Settings{
		Disabled: true, HCA: "=mlx5_0:1", GIDIndex: &three, TrafficClass: 106, ServiceLevel: 2, Timeout: 20, Retries: 5, QPs: 4, Rails: 2,
	}, FromEnv(env(map[string]string{
		"NCCL_IB_DISABLE": "1", "NCCL_IB_HCA": " =mlx5_0:1 ", "NCCL_IB_GID_INDEX": "3", "NCCL_IB_TC": "106", "NCCL_IB_SL": "2",
		"NCCL_IB_TIMEOUT": "20", "NCCL_IB_RETRY_CNT": "5", "NCCL_IB_QPS_PER_CONNECTION": "4", "MONEL_IB_RAILS": "2",
	})))
	require.Equal(t, Settings{}, FromEnv(env(map[string]string{
		"NCCL_IB_DISABLE": "yes", "NCCL_IB_GID_INDEX": "-1", "NCCL_IB_TC": "256", "NCCL_IB_SL": "x", "NCCL_IB_TIMEOUT": "32",
		"NCCL_IB_RETRY_CNT": "-2", "NCCL_IB_QPS_PER_CONNECTION": "1000", "MONEL_IB_RAILS": "",
	})), "what is out of range is ignored")
	require.Equal(t, Settings{Timeout: -1, Retries: -1}, FromEnv(env(map[string]string{"NCCL_IB_TIMEOUT": "0", "NCCL_IB_RETRY_CNT": "0x0"})), "not the defaults")
	zero := 0
	require.Equal(t, Settings{GIDIndex: &zero}, FromEnv(env(map[string]string{"NCCL_IB_GID_INDEX": "0"})))
}

// TestZeroForAdapters: what is negative here is what adapters call 0, and passes the checks.
func TestZeroForAdapters(t *testing.T) {
	s := Settings{Timeout: -1, Retries: -1}
	s.fill()
	require.NoError(t, s.check())
	require.Equal(t, []int{0, 0}, []int{attributeOf(s.Timeout), attributeOf(s.Retries)})
	require.Zero(t, s.repeatTime())
	require.ErrorIs(t, (&Settings{Timeout: -2, Retries: 1, QPs: 1, Rails: 1}).check(), transport.ErrInvalid)
}

func TestHCA(t *testing.T) {
	for _, c := range []struct {
		list, device string
		port         int
		want         bool
	}{
		{"", "mlx5_0", 1, true},
		{"mlx5", "mlx5_0", 1, true},
		{"mlx5_1", "mlx5_0", 1, false},
		{"mlx5_1", "mlx5_10", 1, true}, // a prefix
		{"=mlx5_1", "mlx5_10", 1, false},
		{"=mlx5_1", "mlx5_1", 2, true},
		{"=mlx5_1:1", "mlx5_1", 2, false},
		{"mlx5_0:1,mlx5_1:2", "mlx5_1", 2, true},
		{"^mlx5_1", "mlx5_1", 1, false},
		{"^mlx5_1", "mlx5_0", 1, true},
		{"^=mlx5_1", "mlx5_10", 1, true},
		{"^=mlx5_1", "mlx5_1", 1, false},
		{" mlx5_0 , mlx5_2 ", "mlx5_2", 1, true},
		{",", "mlx5_2", 1, false},
		{"=mlx5_0:1:0:0", "mlx5_0", 1, true},
		{"=mlx5_0:1:0:0", "mlx5_0", 2, false},
		{"=mlx5_0::0:0", "mlx5_0", 2, true},
		{"^=mlx5_0:1:0", "mlx5_0", 1, false},
		{"^=mlx5_0:1:0", "mlx5_0", 2, true},
		{"mlx5_0:01", "mlx5_0", 1, true},
		{"mlx5_0:x", "mlx5_0", 1, false},
	} {
		s := Settings{HCA: c.list}
		require.Equal(t, c.want, s.matches(c.device, c.port), "%q of %s:%d", c.list, c.device, c.port)
	}
}

// gids is a GID table as Ethernet adapters have it.
func gids(addresses ...string) []GID {
	var table []GID
	for _, a := range addresses {
		for _, kind := range []string{"IB/RoCE v1", "RoCE v2"} {
			table = append(table, GID{len(table), netip.MustParseAddr(a), kind})
		}
	}
	return table
}

func TestChoose(t *testing.T) {
	const link, v6, v4 = "fe80::1", "fd00::1", "::ffff:10.0.0.1"
	port := func(device string, active bool, rate float64, table []GID) Port {
		return Port{Device: device, Number: 1, Active: active, GbitPerS: rate, GIDs: table, NetDevice: "eth0"}
	}
	five, many := 5, 99
	for _, c := range []struct {
		name     string
		settings Settings
		ports    []Port
		want     []string // device and GID
		why      string
	}{
		{"RoCE v2 over IPv4", Settings{}, []Port{port("a", true, 100, gids(link, v6, v4))}, []string{"a ::ffff:10.0.0.1 RoCE v2"}, ""},
		{"RoCE v2 over IPv6", Settings{}, []Port{port("a", true, 100, gids(link, v6))}, []string{"a fd00::1 RoCE v2"}, ""},
		{"link-local", Settings{}, []Port{port("a", true, 100, gids(link))}, []string{"a fe80::1 RoCE v2"}, ""},
		{"v1 if there is nothing else", Settings{}, []Port{port("a", true, 100, gids(v4)[:1])}, []string{"a ::ffff:10.0.0.1 IB/RoCE v1"}, ""},
		{"by its number", Settings{GIDIndex: &five}, []Port{port("a", true, 100, gids(v4, v6, link))}, []string{"a fe80::1 RoCE v2"}, ""},
		{"the fastest first", Settings{}, []Port{port("a", true, 25, gids(v4)), port("b", true, 100, gids(v4))}, []string{"b ::ffff:10.0.0.1 RoCE v2", "a ::ffff:10.0.0.1 RoCE v2"}, ""},
		{"those that are up", Settings{}, []Port{port("a", false, 25, gids(v4)), port("b", true, 1, gids(v4))}, []string{"b ::ffff:10.0.0.1 RoCE v2"}, ""},
		{"switched off", Settings{Disabled: true}, []Port{port("a", true, 100, gids(v4))}, nil, "unset NCCL_IB_DISABLE"},
		{"none", Settings{}, nil, nil, "no RDMA device"},
		{"none up", Settings{}, []Port{port("a", false, 100, gids(v4))}, nil, "a:1 is down"},
		{"not selected", Settings{HCA: "b"}, []Port{port("a", true, 100, gids(v4))}, nil, "a:1 is not selected by NCCL_IB_HCA=b"},
		{"no address", Settings{}, []Port{port("a", true, 100, nil)}, nil, "give its network device eth0 an address"},
		{"iWARP", Settings{}, []Port{{Device: "a", Number: 1, Active: true, NodeType: "RNIC", GIDs: gids(v4)}}, nil, "a:1 is of type RNIC"},
		{"no such GID", Settings{GIDIndex: &many}, []Port{port("a", true, 100, gids(v4))}, nil, "a:1 has no GID 99"},
	} {
		t.Run(c.name, func(t *testing.T) {
			chosen, err := c.settings.Choose(c.ports)
			if c.want == nil {
				require.ErrorIs(t, err, transport.ErrUnavailable)
				require.ErrorContains(t, err, c.why)
				return
			}
			require.NoError(t, err)
			var got []string
			for _, p := range chosen {
				got = append(got, p.Device+" "+p.GID.Address.String()+" "+p.GID.Type)
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestRails(t *testing.T) {
	choice := func(device string, rate float64) Choice {
		return Choice{Port: Port{Device: device, Number: 1, GbitPerS: rate}}
	}
	all := []Choice{choice("a", 100), choice("b", 100), choice("c", 100), choice("slow", 10)}
	names := func(rails, rank int) (names []string) {
		s := Settings{Rails: rails}
		for _, r := range s.rails(all, rank) {
			names = append(names, r.Device)
		}
		return names
	}
	require.Equal(t, []string{"a"}, names(1, 0))
	require.Equal(t, []string{"b"}, names(1, 1))
	require.Equal(t, []string{"a"}, names(1, 3), "the slow one is left out")
	require.Equal(t, []string{"c", "a"}, names(2, 1))
	require.Equal(t, []string{"a", "b", "c"}, names(4, 0), "no port twice")
}

func TestBadSettings(t *testing.T) {
	for _, s := range []Settings{{TrafficClass: 256}, {ServiceLevel: -1}, {Timeout: 32}, {Retries: 8}, {QPs: MaxQPs + 1}, {Rails: -1}} {
		cfg := Config{Size: 1, Settings: s}
		require.ErrorIs(t, cfg.fill(), transport.ErrInvalid, "%+v", s)
	}
	for _, c := range []Config{{}, {Size: 2, Rank: 2}, {Size: 2, SlotSize: -1}, {Size: 2, SlotSize: MaxSlotSize + 1}, {Size: 2, Slots: 1}, {Size: 2, Peers: []int{0}}} {
		require.ErrorIs(t, c.fill(), transport.ErrInvalid, "%+v", c)
	}
	good := Config{Size: 3, Rank: 1}
	require.NoError(t, good.fill())
	require.Equal(t, []int{0, 2}, good.Peers)
	require.Equal(t, DefaultTimeout, good.Settings.Timeout)
}

// TestLinger: by default Close outlasts repetitions, within bounds.
func TestLinger(t *testing.T) {
	for timeout, want := range map[int]time.Duration{1: DefaultLinger, 0: 2*(4096<<DefaultTimeout) + DefaultLinger/2, 20: 2*(4096<<20) + DefaultLinger/2, 31: MaxLinger} {
		cfg := Config{Size: 1, Settings: Settings{Timeout: timeout}}
		require.NoError(t, cfg.fill())
		require.Equal(t, want, cfg.Linger, "timeout %d", timeout)
		require.LessOrEqual(t, min(2*cfg.Settings.repeatTime(), MaxLinger), cfg.Linger)
	}
	cfg := Config{Size: 1, Linger: time.Millisecond}
	require.NoError(t, cfg.fill())
	require.Equal(t, time.Millisecond, cfg.Linger)
}
