// Under the race detector the processes of the other side get no turn for minutes, and
// everything that ours does here is done by other tests.
//go:build !race

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"math"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/measure"
	"github.com/monel-dev/monel/bench/internal/peers"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// TestSameAsOpenMPI has Open MPI and ours make the same calls on the same elements and
// compares the results byte by byte: every collective that both have, all operators and
// element types that both have, in and out of place, ours on tensors of several layouts.
// The elements are small integers, so that results are exact in any order.
func TestSameAsOpenMPI(t *testing.T) {
	folder, err := fs.Sub(sources, "peers")
	require.NoError(t, err)
	program, err := (peers.Builder{Sources: folder}).Prepare(t.Context(), cli.OpenMPI, cli.SHM)
	if err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	require.NoError(t, err)
	for _, size := range []int{2, 3, 4} {
		t.Run(fmt.Sprintf("np=%d", size), func(t *testing.T) {
			other, err := program.Start(t.Context(), size, time.Minute)
			require.NoError(t, err)
			defer func() { require.NoError(t, other.Close()) }()
			comms, err := engine.NewLocal(size, engine.Config{ChunkBytes: 4096})
			require.NoError(t, err)
			calls, names := differentialCalls(size), layouts.Names()
			for i := range calls {
				calls[i].Layout = names[i%len(names)]
			}
			runners := make([]measure.Runner, size)
			for rank, comm := range comms {
				buffers, err := measure.Allocate(rank, size, calls, nil) // which is never given back
				require.NoError(t, err)
				runners[rank] = measure.Runner{Comm: comm, Buffers: buffers}
			}
			for _, call := range calls {
				want, err := other.Digests(peers.Job{Call: call})
				require.NoError(t, err, "%+v", call)
				got, err := digests(runners, call)
				require.NoError(t, err, "%+v", call)
				require.Equal(t, want, got, "%+v", call)
			}
			for _, job := range variableJobs(size) {
				want, err := other.Digests(job)
				require.NoError(t, err, "%+v", job)
				got, err := variableDigests(comms, job)
				require.NoError(t, err, "%+v", job)
				require.Equal(t, want, got, "%+v", job)
			}
		})
	}
}

// variableJobs are the calls with parts of different sizes, none among them.
func variableJobs(size int) []peers.Job {
	var jobs []peers.Job
	for _, dt := range []strided.DType{dtype.Uint8, dtype.Int64, dtype.Float32} {
		for _, perRank := range []int64{0, 4, 148, 5000} {
			call := measure.Call{DType: dt, Count: perRank * int64(size)}
			for _, call.Collective = range []cli.Collective{cli.AllGather, cli.AllToAll} {
				for _, call.InPlace = range []bool{false, true} {
					jobs = append(jobs, peers.Job{Call: call, Variable: true})
				}
			}
		}
	}
	return jobs
}

// variableDigests makes a call with parts of different sizes on all ranks and hashes
// their results. Out of place every second element of both tensors' memory is theirs.
func variableDigests(comms []*engine.Comm, job peers.Job) ([]string, error) {
	all := make([]string, len(comms))
	errs := make([]error, len(comms))
	var wg sync.WaitGroup
	for rank, comm := range comms {
		wg.Go(func() {
			in, out := make([]int64, len(comms)), make([]int64, len(comms))
			var received, sent, before int64
			for r := range comms {
				in[r] = peers.PartCount(job.Count, len(comms), r, rank)
				out[r] = peers.PartCount(job.Count, len(comms), rank, r)
				if job.InPlace { // as much as it gets
					in[r] = peers.PartCount(job.Count, len(comms), min(r, rank), max(r, rank))
					out[r] = in[r]
				}
				if job.Collective == cli.AllGather {
					in[r] = peers.PartCount(job.Count, len(comms), r, 0)
				}
				if r < rank {
					before += in[r]
				}
				received, sent = received+in[r], sent+out[r]
			}
			if job.Collective == cli.AllGather {
				sent = in[rank]
			}
			size := int64(job.DType.Size())
			spread := func(count int64) strided.Tensor {
				return strided.FromBytes(job.DType, make([]byte, 2*count*size)).Step(0, 2)
			}
			dst, src := spread(received), spread(sent)
			if job.InPlace {
				dst = strided.FromBytes(job.DType, make([]byte, received*size))
				src = dst
				if job.Collective == cli.AllGather {
					src = dst.Slice(0, before, before+sent)
				}
			}
			var given []byte
			for i := range sent {
				given = append(given, known(job.DType, rank, i)...)
			}
			got := make([]byte, received*size)
			errs[rank] = func() error {
				from, err := src.View(strided.Logical)
				if err != nil {
					return err
				}
				from.Unpack(given, 0, sent)
				if job.Collective == cli.AllGather {
					err = comm.AllGatherV(context.Background(), dst, src, in)
				} else {
					err = comm.AllToAllV(context.Background(), dst, src, in, out)
				}
				if err != nil {
					return err
				}
				into, err := dst.View(strided.Logical)
				if err != nil {
					return err
				}
				into.Pack(got, 0, received)
				return nil
			}()
			all[rank] = hash(got)
		})
	}
	wg.Wait()
	return all, errors.Join(errs...)
}

// differentialCalls are the calls to compare.
func differentialCalls(size int) []measure.Call {
	var calls []measure.Call
	types := []strided.DType{dtype.Int8, dtype.Uint8, dtype.Int32, dtype.Uint32, dtype.Int64, dtype.Uint64, dtype.Float32, dtype.Float64}
	for _, collective := range cli.Collectives() {
		if !collective.Against(cli.OpenMPI) {
			continue
		}
		ops := []strided.Op{dtype.Sum}
		if collective.Reduces() {
			ops = []strided.Op{dtype.Sum, dtype.Prod, dtype.Max, dtype.Min}
		}
		for _, dt := range types {
			for _, op := range ops {
				for i, perRank := range []int64{0, 1, 37, 5000} {
					for _, inPlace := range []bool{false, true} {
						if inPlace && !collective.Has(cli.InPlace) {
							continue
						}
						root := 0
						if collective.Rooted() {
							root = (i + int(dt)) % size
						}
						calls = append(calls, measure.Call{Collective: collective, DType: dt, Op: op, Root: root, Count: perRank * int64(size), InPlace: inPlace})
					}
				}
			}
		}
	}
	return calls
}

// digests makes a call on all ranks and hashes their results.
func digests(runners []measure.Runner, call measure.Call) ([]string, error) {
	all := make([]string, len(runners))
	errs := make([]error, len(runners))
	var wg sync.WaitGroup
	for rank := range runners {
		wg.Go(func() {
			result, err := runners[rank].Result(context.Background(), call, func(rank int, i int64) []byte { return known(call.DType, rank, i) })
			if err == nil {
				all[rank] = hash(result)
			}
			errs[rank] = err
		})
	}
	wg.Wait()
	return all, errors.Join(errs...)
}

// hash is FNV-1a's, as peers/mpi.c writes it.
func hash(result []byte) string {
	h := fnv.New64a()
	h.Write(result)
	return fmt.Sprintf("%016x", h.Sum64())
}

// known is element i of a rank's source, as peers/mpi.c has it.
func known(dt strided.DType, rank int, i int64) []byte {
	v := uint64((i + 3*int64(rank)) % 5)
	switch dt {
	case dtype.Float32:
		v = uint64(math.Float32bits(float32(v)))
	case dtype.Float64:
		v = math.Float64bits(float64(v))
	}
	return slices.Clone(binary.LittleEndian.AppendUint64(nil, v)[:dt.Size()])
}
