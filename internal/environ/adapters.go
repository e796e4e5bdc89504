package environ

import (
	"fmt"
	"strconv"
	"strings"
)

// adapterList takes what NCCL_IB_HCA does: adapters with an optional port, rail and plane
// each, "^" and "=" in front. Entries whose port is none are left out; the value is the
// list of the others.
func adapterList() Values {
	const what = "prefixes of names with an optional `:port`, separated by commas; `=`, `^` and `^=` in front as for `NCCL_SOCKET_IFNAME`. " +
		"A `:rail` and a `:plane` may follow, with or without a port before them (`mlx5_0::0:0`); they say nothing here"
	return Values{what, func(s string) (any, error) {
		list := strings.TrimLeft(s, "^=")
		front := s[:len(s)-len(list)]
		var good []string
		var strange []error
		for entry := range strings.SplitSeq(list, ",") {
			entry = strings.TrimSpace(entry)
			if err := checkAdapter(entry); err != nil {
				strange = append(strange, err)
			} else if entry != "" {
				good = append(good, entry)
			}
		}
		if good == nil {
			strange = append(strange, fmt.Errorf("want names of adapters"))
			return nil, joined(strange)
		}
		return front + strings.Join(good, ","), joined(strange)
	}}
}

// checkAdapter checks one entry, name[:port[:rail[:plane]]]. The empty one says nothing.
func checkAdapter(entry string) error {
	if entry == "" {
		return nil
	}
	fields := strings.Split(entry, ":")
	if fields[0] == "" || len(fields) > 4 {
		return fmt.Errorf("%q is not name[:port[:rail[:plane]]]", entry)
	}
	for i, field := range fields[1:] {
		n, err := strconv.Atoi(field)
		least := []int{1, -1, -1}[i] // a port; and a rail or plane, of which -1 is none
		if field != "" && (err != nil || n < least) {
			return fmt.Errorf("%q: %q is no %s", entry, field, []string{"port", "rail", "plane"}[i])
		}
	}
	return nil
}

// distance takes what NCCL_NET_GDR_LEVEL does: a name, or a number as NCCL had them
// before, of which all from the last on mean the same.
func distance() Values {
	names := oneOf("LOC", "PIX", "PXB", "PHB", "SYS")
	return Values{names.text + ", or a number from `0`, for the first, to `4`, or more, for the last", func(s string) (any, error) {
		if n, err := strconv.ParseUint(s, 10, 31); err == nil {
			return strconv.FormatUint(n, 10), nil
		}
		name, err := names.parse(s)
		if err != nil {
			return nil, fmt.Errorf("%w, or a number", err)
		}
		return name, nil
	}}
}
