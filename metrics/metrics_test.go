package metrics

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

var (
	metaLine   = regexp.MustCompile(`^# (HELP|TYPE) ([a-z_]+) (.+)$`)
	sampleLine = regexp.MustCompile(`^([a-z_]+)\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\} (\S+)$`)
)

// read reads Prometheus's text format by its grammar: every sample follows HELP and
// TYPE of its metric, and none comes twice.
func read(t *testing.T, text string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	family, kind := "", ""
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		if m := metaLine.FindStringSubmatch(lines.Text()); m != nil {
			if m[1] == "TYPE" {
				require.Equal(t, family, m[2])
				kind = m[3]
			}
			family = m[2]
			continue
		}
		m := sampleLine.FindStringSubmatch(lines.Text())
		require.NotNil(t, m, "%q", lines.Text())
		name := m[1]
		if kind == "histogram" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				name = strings.TrimSuffix(name, suffix)
			}
		}
		require.Equal(t, family, name)
		v, err := strconv.ParseFloat(m[3], 64)
		require.NoError(t, err)
		key := m[1] + "{" + m[2] + "}"
		require.NotContains(t, values, key)
		values[key] = v
	}
	return values
}

func TestHandler(t *testing.T) {
	comms, err := engine.NewLocal(2, engine.Config{Name: "weights"})
	require.NoError(t, err)
	reduce := func(elements [2]int) (errs [2]error) {
		var wg sync.WaitGroup
		for rank, c := range comms {
			wg.Go(func() {
				x := strided.Of(make([]float32, elements[rank]))
				errs[rank] = c.AllReduce(t.Context(), x, x, engine.Sum)
			})
		}
		wg.Wait()
		return errs
	}
	for range 3 {
		require.Equal(t, [2]error{}, reduce([2]int{1024, 1024}))
	}
	for _, err := range reduce([2]int{1, 2}) {
		require.ErrorIs(t, err, engine.ErrMismatch)
	}
	server := httptest.NewServer(Handler())
	defer server.Close()
	get := func() string {
		r, err := http.Get(server.URL)
		require.NoError(t, err)
		defer r.Body.Close()
		require.Equal(t, contentType, r.Header.Get("Content-Type"))
		text, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		return string(text)
	}
	text := get()
	values := read(t, text)
	for _, rank := range []string{"0", "1"} {
		of := `communicator="weights",rank="` + rank + `",namesake="0"`
		require.Equal(t, 1.0, values["monel_communicator_info{"+of+`,size="2",transport="inproc"}`], text)
		require.Equal(t, 0.0, values["monel_communicator_failed{"+of+"}"])
		op := of + `,transport="inproc",collective="all_reduce"`
		require.Equal(t, 4.0, values["monel_operations_total{"+op+"}"])
		require.Equal(t, 1.0, values["monel_operations_failed_total{"+op+"}"])
		require.Equal(t, 3.0*4096, values["monel_operation_bytes_total{"+op+"}"])
		require.Equal(t, 3.0, values["monel_operation_seconds_count{"+op+"}"])
		require.Equal(t, 3.0, values["monel_operation_seconds_bucket{"+op+`,le="+Inf"}`])
		require.Positive(t, values["monel_operation_seconds_sum{"+op+"}"])
	}
	for _, c := range comms {
		require.NoError(t, c.Close())
	}
	require.NotContains(t, get(), "weights")
}

// TestNamesakes: communicators of one name have series of their own, and one that takes
// the place of another has its series.
func TestNamesakes(t *testing.T) {
	open := func() []*engine.Comm {
		comms, err := engine.NewLocal(2, engine.Config{Name: "twins"})
		require.NoError(t, err)
		t.Cleanup(func() {
			for _, c := range comms {
				_ = c.Close()
			}
		})
		return comms
	}
	series := func() []string {
		var b strings.Builder
		require.NoError(t, Write(&b, engine.Comms()...))
		var found []string
		for key := range read(t, b.String()) { // which minds any that come twice
			if name, ok := strings.CutPrefix(key, `monel_communicator_failed{communicator="twins",`); ok {
				found = append(found, name)
			}
		}
		slices.Sort(found)
		return found
	}
	first := open()
	open()
	both := []string{`rank="0",namesake="0"}`, `rank="0",namesake="1"}`, `rank="1",namesake="0"}`, `rank="1",namesake="1"}`}
	require.Equal(t, both, series())
	for _, c := range first {
		require.NoError(t, c.Close())
	}
	require.Equal(t, []string{both[1], both[3]}, series())
	open()
	require.Equal(t, both, series())
}

func TestLabelsAreEscaped(t *testing.T) {
	var b strings.Builder
	require.NoError(t, write(&b, []engine.Stats{{Communicator: "a\"b\\c\nd", Size: 1, Transport: "none", Running: 1500 * time.Millisecond}}))
	values := read(t, b.String())
	require.Equal(t, 1.5, values[`monel_operation_running_seconds{communicator="a\"b\\c\nd",rank="0",namesake="0"}`], b.String())
}

func TestHistogramIsCumulative(t *testing.T) {
	c := engine.CollectiveStats{Collective: "broadcast", Time: 2 * time.Second}
	for i := range c.Latency {
		c.Latency[i] = 1
	}
	var b strings.Builder
	require.NoError(t, write(&b, []engine.Stats{{Communicator: "c", Collectives: []engine.CollectiveStats{c}}}))
	values := read(t, b.String())
	const of = `{communicator="c",rank="0",namesake="0",transport="",collective="broadcast"`
	require.Equal(t, 1.0, values["monel_operation_seconds_bucket"+of+`,le="1e-06"}`], b.String())
	require.Equal(t, 3.0, values["monel_operation_seconds_bucket"+of+`,le="1.6e-05"}`])
	require.Equal(t, float64(engine.LatencyBuckets), values["monel_operation_seconds_count"+of+"}"])
	require.Equal(t, 2.0, values["monel_operation_seconds_sum"+of+"}"])
}
