// Package conformance is the test suite that every transport passes. It checks
// the contract of package transport from the outside, through nothing but its
// interfaces, so that a transport is correct when, and only when, the executor
// can rely on it.
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, func(t *testing.T, ranks int) *conformance.World { ... })
//	}
//
// Random choices come from a seed that every case logs; set MONEL_SEED to run
// with the same one again.
package conformance

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport"
)

// World is what a case runs on: the meshes of all ranks, in one process.
type World struct {
	// Meshes holds rank r's mesh at index r.
	Meshes []transport.Mesh

	// Kill ends a rank as abruptly as a dying process would, without the orderly
	// steps of Close. The rank's mesh is closed afterwards nevertheless.
	Kill func(rank int)

	// MaxInFlight is the number of payload bytes that a link may at most hold;
	// 0 means exactly Slots full slots.
	MaxInFlight int64

	// Direct says that links work on the caller's memory: that their ends are a
	// transport.DirectSender and a transport.DirectReceiver.
	Direct bool

	// Short says that senders are a transport.ShortSender.
	Short bool

	// Close, if not nil, is called once all meshes are closed, to free what the
	// factory has made around them.
	Close func()
}

// Factory makes a world. It is called once or several times by each case.
type Factory func(t *testing.T, ranks int) *World

// Case is one test of the suite.
type Case struct {
	Name string
	Run  func(t *testing.T, f Factory)
}

// Cases lists the suite, for callers that wrap each case in something of their
// own, such as a synctest bubble. Others call Run.
func Cases() []Case {
	return []Case{
		{"Attributes", attributes},
		{"SameEndEveryTime", sameEndEveryTime},
		{"InvalidArguments", invalidArguments},
		{"Order", order},
		{"Sizes", sizes},
		{"Traffic", traffic},
		{"SizesBackToBack", sizesBackToBack},
		{"ReceiverFirst", receiverFirst},
		{"AcquireAgain", acquireAgain},
		{"NextAgain", nextAgain},
		{"PayloadStable", payloadStable},
		{"BothDirections", bothDirections},
		{"Channels", channels},
		{"AllPairs", allPairs},
		{"Ring", ring},
		{"LargeTransfer", largeTransfer},
		{"SlotsWithoutPeer", slotsWithoutPeer},
		{"Backpressure", backpressure},
		{"ContextOnlyWhenWaiting", contextOnlyWhenWaiting},
		{"CancelAcquire", cancelAcquire},
		{"CancelNext", cancelNext},
		{"CancelRacesChunk", cancelRacesChunk},
		{"CancelOften", cancelOften},
		{"DirectAnyWay", directAnyWay},
		{"DirectLater", directLater},
		{"DirectLaterWithoutPeer", directLaterWithoutPeer},
		{"DirectCancelOften", directCancelOften},
		{"Short", short},
		{"CloseWakesWaiters", closeWakesWaiters},
		{"CloseRacesUse", closeRacesUse},
		{"AfterClose", afterClose},
		{"CloseDelivers", closeDelivers},
		{"CloseWithoutReader", closeWithoutReader},
		{"DeathWakesNext", deathWakesNext},
		{"DeathWakesAcquire", deathWakesAcquire},
		{"DeathFailsSender", deathFailsSender},
		{"DeathMidStream", deathMidStream},
		{"DeathSparesOthers", deathSparesOthers},
		{"MisusePanics", misusePanics},
		{"NoLeak", noLeak},
		{"NoLeakAfterDeath", noLeakAfterDeath},
	}
}

// Run runs every case as a subtest.
func Run(t *testing.T, f Factory) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) { c.Run(t, f) })
	}
}

// patience is how long anything may take before a case calls it a hang.
const patience = 60 * time.Second

// rig is a world under test with what the cases need around it.
type rig struct {
	*World
	t    *testing.T
	ctx  context.Context // ends when patience does, or something has gone wrong
	fail context.CancelFunc
	once sync.Once
}

func newRig(t *testing.T, f Factory, ranks int) *rig {
	t.Helper()
	w := f(t, ranks)
	if len(w.Meshes) != ranks || w.Kill == nil {
		t.Fatalf("the factory made %d meshes of %d, Kill set: %v", len(w.Meshes), ranks, w.Kill != nil)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r := &rig{World: w, t: t, ctx: ctx, fail: cancel}
	t.Cleanup(func() {
		r.close()
		cancel()
	})
	return r
}

// close closes all meshes at once, as ranks that finish together do.
func (r *rig) close() {
	r.once.Do(func() {
		r.each(func(rank int) error { return r.Meshes[rank].Close() })
		if r.Close != nil {
			r.World.Close()
		}
	})
}

// each runs f for every rank at once and fails the test with the errors.
func (r *rig) each(f func(rank int) error) {
	r.t.Helper()
	run := make([]func() error, len(r.Meshes))
	for rank := range run {
		run[rank] = func() error { return f(rank) }
	}
	r.all(run...)
}

// all runs functions at once and fails the test with their errors. The first
// error ends the waits of the others.
func (r *rig) all(run ...func() error) {
	r.t.Helper()
	errs := make([]error, len(run))
	var wg sync.WaitGroup
	for i := range run {
		wg.Go(func() {
			if errs[i] = run[i](); errs[i] != nil {
				r.fail()
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) sender(from, to, channel int) transport.Sender {
	r.t.Helper()
	s, err := r.Meshes[from].Sender(r.ctx, to, channel)
	if err != nil {
		r.t.Fatalf("Sender %d->%d channel %d: %v", from, to, channel, err)
	}
	return s
}

func (r *rig) receiver(from, to, channel int) transport.Receiver {
	r.t.Helper()
	v, err := r.Meshes[to].Receiver(r.ctx, from, channel)
	if err != nil {
		r.t.Fatalf("Receiver %d->%d channel %d: %v", from, to, channel, err)
	}
	return v
}

// link returns both ends of the link 0->1 on channel 0.
func (r *rig) link() (transport.Sender, transport.Receiver) {
	r.t.Helper()
	return r.sender(0, 1, 0), r.receiver(0, 1, 0)
}

func (r *rig) slotSize() int { return r.Meshes[0].SlotSize() }
func (r *rig) slots() int    { return r.Meshes[0].Slots() }

func (r *rig) maxInFlight() int64 {
	if r.MaxInFlight == 0 {
		return int64(r.slots()) * int64(r.slotSize())
	}
	return r.MaxInFlight
}

// random returns a generator whose seed is in the test's log.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("MONEL_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("MONEL_SEED: %v", err)
		}
	}
	t.Logf("MONEL_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
