package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/monel-dev/monel/bench/internal/measure"
)

// baton lets the other ranks of ours sleep in the kernel until rank 0 has use
// for them. Waiting in a collective instead, they would keep its clocks running
// and burn time that belongs to whoever is being measured.
type baton struct {
	others []net.Conn // rank 0: one to each other rank
	zero   net.Conn   // other ranks: the one to rank 0
	folder string
}

// maxPath is longer than any socket's path can be.
const maxPath = 256

// newBaton connects all ranks of comm, which run on this machine, with rank 0.
func newBaton(ctx context.Context, comm measure.Comm) (b *baton, err error) {
	b = new(baton)
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("connecting the ranks: %w", err), b.close())
		}
	}()
	path := make([]byte, maxPath)
	var listener net.Listener
	if comm.Rank() == 0 {
		if b.folder, err = os.MkdirTemp("", "monel-baton-"); err != nil {
			return b, err
		}
		copy(path, filepath.Join(b.folder, "s"))
		if listener, err = net.Listen("unix", filepath.Join(b.folder, "s")); err != nil {
			return b, err
		}
		defer listener.Close()
	}
	if err := measure.Share(ctx, comm, path); err != nil {
		return b, err
	}
	if comm.Rank() != 0 {
		b.zero, err = net.Dial("unix", string(bytes.TrimRight(path, "\x00")))
		return b, err
	}
	for range comm.Size() - 1 {
		conn, err := listener.Accept()
		if err != nil {
			return b, err
		}
		b.others = append(b.others, conn)
	}
	return b, nil
}

// ours returns on all ranks when rank 0 has called it, with the number that rank
// 0 says.
func (b *baton) ours(say int) (said int, err error) {
	var word [8]byte
	if b.zero != nil {
		if _, err := io.ReadFull(b.zero, word[:]); err != nil {
			return 0, fmt.Errorf("waiting for rank 0: %w", err)
		}
		return int(binary.LittleEndian.Uint64(word[:])), nil
	}
	binary.LittleEndian.PutUint64(word[:], uint64(say))
	for _, c := range b.others {
		if _, err := c.Write(word[:]); err != nil {
			return 0, fmt.Errorf("waking another rank: %w", err)
		}
	}
	return say, nil
}

func (b *baton) close() error {
	var err error
	if b.zero != nil {
		err = b.zero.Close()
	}
	for _, c := range b.others {
		err = errors.Join(err, c.Close())
	}
	if b.folder != "" {
		err = errors.Join(err, os.RemoveAll(b.folder))
	}
	return err
}
