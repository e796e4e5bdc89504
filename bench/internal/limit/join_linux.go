package limit

import (
	"fmt"
	"os"
	"time"

	"github.com/monel-dev/monel/bench/internal/cli"
)

// join makes the wire between neighbours, and says what it is.
func join(transport cli.Transport, rank, size int, folder string) (wire, string, error) {
	switch transport {
	case cli.TCP:
		w, err := joinTCP(rank, size, folder)
		return w, "plain sockets, both directions at once", err
	case cli.SHM:
		w, err := joinSHM(rank, size, folder)
		return w, "copies through a shared segment", err
	default:
		return nil, "", fmt.Errorf("no limit is known for transport %s", transport)
	}
}

// leave writes the note that a neighbour reads, whole or not at all.
func leave(path, note string) error {
	if err := os.WriteFile(path+".half", []byte(note), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".half", path)
}

// fetch waits for a neighbour's note.
func fetch(path string) (string, error) {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		note, err := os.ReadFile(path)
		if err == nil || !os.IsNotExist(err) || time.Now().After(deadline) {
			return string(note), err
		}
	}
}
