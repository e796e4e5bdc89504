package launch

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/monel-dev/monel/transport/bootstrap"
)

func FuzzNodeList(f *testing.F) {
	f.Add("node[001-004,007],gpu1")
	f.Fuzz(func(t *testing.T, list string) {
		host, err := firstHost(list)
		if err == nil && (host == "" || strings.ContainsAny(host, "[], \n\x00/")) {
			t.Errorf("%q: %q", list, host)
		}
		for n := range 3 {
			if c := nthCount(list, n); c == 0 || c < -1 {
				t.Errorf("%q: %d", list, c)
			}
		}
	})
}

// FuzzFromEnv takes an environment as NAME=value lines.
func FuzzFromEnv(f *testing.F) {
	for _, v := range []vars{torchrun, openmpi, mpich, slurm, {"MONEL_RANK": "0", "MONEL_SIZE": "2", "MONEL_ROOT": "h:1"}} {
		var b strings.Builder
		for name, value := range v {
			b.WriteString(name + "=" + value + "\n")
		}
		f.Add(b.String())
	}
	f.Fuzz(func(t *testing.T, text string) {
		v := vars{}
		for line := range strings.SplitSeq(text, "\n") {
			if name, value, ok := strings.Cut(line, "="); ok {
				v[name] = value
			}
		}
		l, err := FromEnv(v.get)
		if err != nil {
			return
		}
		if l.Size < 1 || l.Size > bootstrap.MaxSize || l.Rank < 0 || l.Rank >= l.Size || l.LocalRank >= l.Size || l.LocalSize > l.Size || l.Launcher == "" {
			t.Errorf("%+v", l)
		}
		if l.Addr != "" && l.Secret.IsZero() {
			t.Error("an address without a secret")
		}
	})
}

func FuzzParseHandover(f *testing.F) {
	id, err := bootstrap.NewID(netip.MustParseAddrPort("127.0.0.1:1"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(handoverMagic + "\nname\n7 100\n" + id.Text() + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := parseHandover(text, "name", func(int) (string, bool) { return "100", true })
		if err == nil && id.Validate() != nil {
			t.Error("accepted an id that is not valid")
		}
	})
}
