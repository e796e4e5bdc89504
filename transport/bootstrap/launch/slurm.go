package launch

import (
	"fmt"
	"strconv"
	"strings"
)

// firstHost returns the first host of a Slurm node list, such as
// "rack[1-2]node[003-004,7],gpu1": "rack1node003".
func firstHost(list string) (string, error) {
	var host strings.Builder
	bad := func(why string) (string, error) {
		return "", fmt.Errorf("not a list of nodes: %s", why)
	}
	for i := 0; i < len(list) && list[i] != ','; i++ {
		switch c := list[i]; c {
		case '[':
			end := strings.IndexByte(list[i:], ']')
			if end < 0 {
				return bad("'[' without ']'")
			}
			inside := list[i+1 : i+end]
			n := strings.IndexAny(inside, ",-")
			if n < 0 {
				n = len(inside)
			}
			if n == 0 || strings.Trim(inside[:n], "0123456789") != "" {
				return bad("no number after '['")
			}
			host.WriteString(inside[:n])
			i += end
		case ']':
			return bad("']' without '['")
		default:
			if c <= ' ' || c >= 0x7f || strings.IndexByte(`/\"'@()`, c) >= 0 {
				return bad(fmt.Sprintf("character %q", c))
			}
			host.WriteByte(c)
		}
	}
	if host.Len() == 0 || host.Len() > 253 {
		return bad("no host name at its beginning")
	}
	return host.String(), nil
}

// nthCount returns the n-th number of a list such as "4(x2),3", which stands for
// 4, 4, 3; or -1 when there is none.
func nthCount(list string, n int) int {
	for item := range strings.SplitSeq(list, ",") {
		count, times, repeated := strings.Cut(item, "(x")
		k := 1
		if repeated {
			var err error
			if k, err = strconv.Atoi(strings.TrimSuffix(times, ")")); err != nil || k < 1 {
				return -1
			}
		}
		c, err := strconv.Atoi(count)
		if err != nil || c < 1 {
			return -1
		}
		if n < k {
			return c
		}
		n -= k
	}
	return -1
}
