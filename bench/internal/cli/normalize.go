package cli

import "strings"

// normalize rewrites the one flag that POSIX parsing cannot express: MPI
// launchers taught everyone to write the number of processes as "-np N", which
// a parser of single-letter flags reads as -n with the value "p". It returns
// args with -np N, -np=N and -npN replaced by --np, and leaves everything after
// a "--" alone.
func normalize(args []string) []string {
	out := make([]string, 0, len(args))
	for i, arg := range args {
		if arg == "--" {
			return append(out, args[i:]...)
		}
		out = append(out, normalizeOne(arg))
	}
	return out
}

func normalizeOne(arg string) string {
	rest, ok := strings.CutPrefix(arg, "-np")
	switch {
	case !ok:
		return arg
	case rest == "":
		return "--np"
	case rest[0] == '=':
		return "--np" + rest
	case rest[0] >= '0' && rest[0] <= '9':
		return "--np=" + rest
	default:
		return arg
	}
}
