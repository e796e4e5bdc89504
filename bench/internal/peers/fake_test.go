package peers

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The test binary behaves as a rank of a contender when this is its first
// argument; the second one says how it behaves.
const asPeer = "as-peer"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == asPeer {
		os.Exit(fakePeer(os.Args[2], os.Args[3:]))
	}
	os.Exit(m.Run())
}

// fakePeer is a rank: SOCKET RANK SIZE FOLDER. Its calls take a second on rank
// 1 and half of it elsewhere, and each of its ranks has COUNT wrong values.
func fakePeer(behaviour string, args []string) int {
	rank, _ := strconv.Atoi(args[1])
	if behaviour == "dies" && rank == 1 {
		fmt.Fprintln(os.Stderr, "no such interface")
		return 3
	}
	conn, err := net.Dial("unix", args[0])
	if err != nil {
		return 1
	}
	size := args[2]
	if behaviour == "miscounts" {
		size = "7"
	}
	fmt.Fprintf(conn, "hello %d %s Fake 1.2\n", rank, size)
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		w := strings.Fields(lines.Text())
		switch {
		case len(w) != 12:
			fmt.Fprintf(conn, "error not a job: %s\n", lines.Text())
		case behaviour == "refuses":
			fmt.Fprintf(conn, "error no type %s\n", w[2])
		case behaviour == "babbles":
			fmt.Fprintf(conn, "what?\n")
		case behaviour == "quits" && rank == 1:
			fmt.Fprintln(os.Stderr, "out of memory")
			return 4
		case behaviour == "freezes" && rank == 1:
			time.Sleep(time.Hour)
		case w[0] == "verify":
			fmt.Fprintf(conn, "ok %s\n", w[3])
		case rank == 1:
			fmt.Fprintf(conn, "ok 1e0\n")
		default:
			fmt.Fprintf(conn, "ok 5e-1\n")
		}
	}
	return 0
}

// fake is a contender of such ranks.
func fake(behaviour string) Program {
	start := perRank(os.Args[0], asPeer, behaviour)
	return Program{Name: "fake", Commands: start}
}
