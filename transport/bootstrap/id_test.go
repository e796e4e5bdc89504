package bootstrap

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func addrs(s ...string) (list []netip.AddrPort) {
	for _, a := range s {
		list = append(list, netip.MustParseAddrPort(a))
	}
	return list
}

func TestIDRoundTrip(t *testing.T) {
	for _, roots := range [][]netip.AddrPort{
		addrs("127.0.0.1:1"),
		addrs("[::1]:65535"),
		addrs("10.1.2.3:29500", "[2001:db8::1]:29500", "192.168.0.1:29500", "[fd00::1]:29500"),
	} {
		id, err := NewID(roots...)
		if err != nil {
			t.Fatal(err)
		}
		for name, parse := range map[string]func() (ID, error){
			"bytes": func() (ID, error) { return ParseID(id[:]) },
			"text":  func() (ID, error) { return ParseIDText(" " + id.Text() + "\n") },
			"hex":   func() (ID, error) { return ParseIDText(hex.EncodeToString(id[:])) },
		} {
			got, err := parse()
			if err != nil || got != id {
				t.Errorf("%s: %v", name, err)
			}
			if fmt.Sprint(got.Roots()) != fmt.Sprint(roots) || got.Secret() != id.Secret() {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
	mapped, err := NewID(addrs("[::ffff:10.0.0.1]:5")...)
	if err != nil || mapped.Roots()[0] != addrs("10.0.0.1:5")[0] {
		t.Errorf("mapped IPv4: %v, %v", mapped, err)
	}
}

func TestMakeIDRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		secret Secret
		roots  []netip.AddrPort
	}{
		"no root":     {NewSecret(), nil},
		"five roots":  {NewSecret(), addrs("10.0.0.1:1", "10.0.0.1:1", "10.0.0.1:1", "10.0.0.1:1", "10.0.0.1:1")},
		"no secret":   {Secret{}, addrs("10.0.0.1:1")},
		"port 0":      {NewSecret(), addrs("10.0.0.1:0")},
		"anywhere":    {NewSecret(), addrs("0.0.0.0:1")},
		"anywhere 6":  {NewSecret(), addrs("[::]:1")},
		"multicast":   {NewSecret(), addrs("224.0.0.1:1")},
		"with a zone": {NewSecret(), addrs("[fe80::1%eth0]:1")},
		"no address":  {NewSecret(), []netip.AddrPort{{}}},
	} {
		if id, err := MakeID(c.secret, c.roots...); !errors.Is(err, ErrID) || !id.IsZero() {
			t.Errorf("%s: %v, %v", name, id, err)
		}
	}
}

// Every altered byte is noticed, also when whoever altered it mends the checksum
// but makes no valid id.
func TestIDAltered(t *testing.T) {
	id, err := NewID(addrs("10.1.2.3:29500")...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range id {
		bad := id
		bad[i] ^= 0x10
		if _, err := ParseID(bad[:]); !errors.Is(err, ErrID) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
	for name, alter := range map[string]func(*ID){
		"flags":     func(id *ID) { id[9] = 8 },
		"few flags": func(id *ID) { id[9] = 2 },
		"reserved":  func(id *ID) { id[11] = 1 },
		"roots 0":   func(id *ID) { id[10] = 0 },
		"roots 5":   func(id *ID) { id[10] = 5 },
		"roots 2":   func(id *ID) { id[10] = 2 },
		"family":    func(id *ID) { id[idAddrsAt] = 5 },
		"padding":   func(id *ID) { id[idAddrsAt+1] = 1 },
		"IPv4 tail": func(id *ID) { id[idAddrsAt+9] = 1 },
		"mapped": func(id *ID) {
			copy(id[idAddrsAt:], "\x06\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x0a\x00\x00\x01")
		},
		"second one": func(id *ID) { id[idAddrsAt+idAddrSize+3] = 1 },
	} {
		bad := id
		alter(&bad)
		binary.LittleEndian.PutUint32(bad[idSumAt:], crc32.Checksum(bad[:idSumAt], castagnoli))
		if err := bad.Validate(); !errors.Is(err, ErrID) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{"", "monel1-", id.Text()[:170], id.Text() + "A", strings.Replace(id.Text(), "monel1", "monel2", 1), "monel1-" + strings.Repeat("!", 171), strings.Repeat("z", 256), hex.EncodeToString(id[:127])} {
		if _, err := ParseIDText(text); !errors.Is(err, ErrID) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if _, err := ParseID(id[:127]); !errors.Is(err, ErrID) {
		t.Errorf("short: %v", err)
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	id, err := NewID(addrs("10.1.2.3:29500")...)
	if err != nil {
		t.Fatal(err)
	}
	secret := id.Secret()
	cfg := Config{ID: id, Secret: secret}
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d", "%o", "%b", "%c"} {
		shown = append(shown, fmt.Sprintf(verb, id), fmt.Sprintf(verb, secret), fmt.Sprintf(verb, &id), fmt.Sprintf(verb, &secret), fmt.Sprintf(verb, cfg.ID))
	}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("x", "id", id, "secret", secret, "both", struct{ A, B any }{id, secret})
	}
	j, err := json.Marshal(map[string]any{"id": id, "secret": secret})
	if err != nil {
		t.Fatal(err)
	}
	bad := id
	bad[127] ^= 1
	shown = append(shown, log.String(), string(j), fmt.Sprint(bad.Validate(), bad))
	for _, s := range shown {
		for _, form := range []string{
			string(secret[:8]), hex.EncodeToString(secret[:8]), strings.ToUpper(hex.EncodeToString(secret[:8])), base64.StdEncoding.EncodeToString(secret[:6]),
			strings.Trim(fmt.Sprint(secret[:4:4]), "[]"), fmt.Sprintf("%d, %d, %d", secret[0], secret[1], secret[2]), fmt.Sprintf("%#x, %#x", secret[0], secret[1]),
		} {
			if strings.Contains(s, form) {
				t.Errorf("the secret shows as %q in %q", form, s)
			}
		}
	}
	if !strings.Contains(id.String(), "10.1.2.3:29500") {
		t.Errorf("%v does not tell where the root is", id)
	}
	first, again := DeriveSecret("a"), DeriveSecret("a")
	if first == DeriveSecret("b") || first != again {
		t.Error("derived secrets")
	}
}

func FuzzID(f *testing.F) {
	id, err := MakeID(DeriveSecret("seed"), addrs("10.1.2.3:29500", "[fd00::1]:1")...)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(id[:])
	f.Add([]byte(id.Text()))
	f.Fuzz(func(t *testing.T, b []byte) {
		if id, err := ParseIDText(string(b)); err == nil {
			b = id[:]
		}
		if len(b) == IDSize { // let mutations past the checksum
			binary.LittleEndian.PutUint32(b[idSumAt:], crc32.Checksum(b[:idSumAt], castagnoli))
		}
		id, err := ParseID(b)
		if err != nil {
			if !errors.Is(err, ErrID) {
				t.Error(err)
			}
			return
		}
		again, err := MakeID(id.Secret(), id.Roots()...)
		again.setFlags(id[idFlagsAt])
		if err != nil || again != id {
			t.Errorf("%v is not what makes it: %v", id, err)
		}
	})
}

func TestMatchInterface(t *testing.T) {
	for spec, want := range map[string]string{
		"": "eth0 eth1 docker0 lo ib0", "eth": "eth0 eth1", "=eth0": "eth0", "=eth": "", "^docker,lo": "eth0 eth1 ib0",
		"^=eth": "eth0 eth1 docker0 lo ib0", "^=eth0": "eth1 docker0 lo ib0", "ib, eth1": "eth1 ib0",
	} {
		var got []string
		for _, name := range strings.Fields("eth0 eth1 docker0 lo ib0") {
			if MatchInterface(spec, name) {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", spec, got, want)
		}
	}
}

func ExampleID() {
	id, err := MakeID(DeriveSecret("correct horse battery staple"), netip.MustParseAddrPort("192.0.2.1:29500"))
	if err != nil {
		panic(err)
	}
	fmt.Println(id)
	again, err := ParseIDText(id.Text())
	fmt.Println(again == id, err)
	// Output:
	// monel id, root at 192.0.2.1:29500 (secret withheld)
	// true <nil>
}

// TestKeyedIDs: ranks with the same key have the same secret, which is neither the id's nor
// that of another key; the place to meet stays.
func TestKeyedIDs(t *testing.T) {
	id, err := NewID(netip.MustParseAddrPort("10.0.0.1:99"), netip.MustParseAddrPort("[fd00::1]:98"))
	require.NoError(t, err)
	keyed := id.Keyed([]byte("a key"))
	require.NoError(t, keyed.Validate())
	require.Equal(t, keyed, id.Keyed([]byte("a key")))
	require.Equal(t, id.Roots(), keyed.Roots())
	require.NotEqual(t, id.Secret(), keyed.Secret())
	require.NotEqual(t, keyed, id.Keyed([]byte("another")))
	require.Equal(t, id.Secret().Keyed([]byte("a key")), keyed.Secret())
	broken := id
	broken[20]++
	require.Equal(t, broken, broken.Keyed([]byte("a key")), "what is no id stays none")
}
