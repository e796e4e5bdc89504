package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/launch"
	"github.com/monel-dev/monel/bench/internal/measure"
	"github.com/monel-dev/monel/engine"
	envlaunch "github.com/monel-dev/monel/transport/bootstrap/launch"
)

// wire is what a communicator is made for: cases that have it in common share
// one.
type wire struct {
	transport    cli.Transport
	algorithm    cli.Algorithm
	logicalOrder bool
	connections  int
	protection   cli.Protection
}

func wireOf(c cli.Case) wire {
	return wire{c.Transport, c.Algorithm, c.LogicalOrder, c.Connections, c.Protection}
}

// world holds a rank's communicators, all of the same ranks.
type world struct {
	comms map[wire]*engine.Comm
	order []*engine.Comm
	cuda  *measure.GPU // this rank's, once a case has needed it
}

// join makes the communicators that the command line needs: one, and a second
// one when ratio compares settings that belong to a communicator.
func join(ctx context.Context, cfg *cli.Config, place engine.Config) (*world, error) {
	w := &world{comms: make(map[wire]*engine.Comm)}
	if cfg.Timeout > 0 {
		place.Timeout = cfg.Timeout
	}
	if err := w.add(ctx, wireOf(cfg.Case), place); err != nil {
		return nil, err
	}
	if cfg.Verb != cli.Ratio || wireOf(cfg.Base) == wireOf(cfg.Case) {
		return w, nil
	}
	id, err := w.nextID(ctx, place)
	if err == nil {
		place.ID = id
		err = w.add(ctx, wireOf(cfg.Base), place)
	}
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *world) add(ctx context.Context, key wire, place engine.Config) error {
	if key.transport != cli.Auto {
		place.Transport = string(key.transport)
	}
	if key.algorithm != cli.BySize {
		place.Algorithm = string(key.algorithm)
	}
	if key.connections > 0 {
		place.Connections = key.connections
	}
	place.Checksums = place.Checksums || key.protection == cli.Checksums
	place.Encrypt = place.Encrypt || key.protection == cli.Encryption
	place.LogicalOrder = place.LogicalOrder || key.logicalOrder
	comm, err := engine.Init(ctx, place)
	if err != nil {
		return err
	}
	w.comms[key] = comm
	w.order = append(w.order, comm)
	return nil
}

// nextID makes the id of a further communicator of the same ranks, known to all
// of them.
func (w *world) nextID(ctx context.Context, place engine.Config) (engine.UniqueID, error) {
	var id engine.UniqueID
	var err error
	if place.Rank == 0 {
		if id, err = newID(); err != nil {
			return id, err
		}
	}
	if err = measure.Share(ctx, w.first(), id[:]); err != nil {
		return id, fmt.Errorf("sharing the second communicator's id: %w", err)
	}
	return id, nil
}

// newID is an id at which ranks meet over this machine's loopback interface, if
// it is here that all of them were started.
func newID() (engine.UniqueID, error) {
	if launch.Launched() {
		return engine.NewLocalUniqueID()
	}
	return engine.NewUniqueID()
}

// gpu is the GPU for a case's tensors, nil if they are in host memory. Ranks of a
// host take its GPUs in turns.
func (w *world) gpu(c cli.Case) (*measure.GPU, error) {
	if c.Device != cli.CUDA {
		return nil, nil
	}
	if w.cuda != nil {
		return w.cuda, nil
	}
	place, err := envlaunch.FromEnv(os.Getenv)
	if err != nil {
		return nil, err
	}
	local := place.LocalRank
	if local < 0 { // the launcher has not told
		local = w.first().Rank()
	}
	if w.cuda, err = measure.OpenGPU(local); err != nil {
		return nil, fmt.Errorf("--device %s: %w", c.Device, err)
	}
	return w.cuda, nil
}

func (w *world) first() *engine.Comm        { return w.order[0] }
func (w *world) of(c cli.Case) *engine.Comm { return w.comms[wireOf(c)] }
func (w *world) close() (err error) {
	for _, c := range w.order {
		err = errors.Join(err, c.Close())
	}
	return err
}
