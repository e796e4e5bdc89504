package bootstrap

import "strings"

// MatchInterface reports whether spec selects the network interface name. The
// syntax is that of NCCL_SOCKET_IFNAME: a list of prefixes separated by commas;
// "=" at the beginning asks for exact names, "^" for all interfaces but those
// listed, "^=" for both. The empty spec selects every interface.
func MatchInterface(spec, name string) bool {
	if spec == "" {
		return true
	}
	spec, except := strings.CutPrefix(spec, "^")
	spec, exact := strings.CutPrefix(spec, "=")
	for want := range strings.SplitSeq(spec, ",") {
		want = strings.TrimSpace(want)
		if want == "" {
			continue
		}
		if name == want || !exact && strings.HasPrefix(name, want) {
			return !except
		}
	}
	return except
}
