package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/monel-dev/monel/engine/internal/logging"
	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/bootstrap"
	"github.com/monel-dev/monel/transport/bootstrap/launch"
)

// Init joins this process to the others of its communicator. It returns when
// all ranks have joined, or with the reason why they have not: on every rank,
// within cfg.InitTimeout. A world of one needs no network.
//
// Errors are *ArgumentError, *RankError, or *bootstrap.WorldError, which says
// which ranks are missing, there twice, or configured differently.
func Init(ctx context.Context, cfg Config) (*Comm, error) {
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	if cfg.Encrypt && cfg.Size > 1 && cfg.secretIsGuessable() {
		return nil, &ArgumentError{Rank: cfg.Rank, Call: "init", Argument: "Encrypt", Err: errors.New(
			"the job's secret can be guessed: its launcher gives ranks none; set MONEL_SECRET to the same random text on all of them")}
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.InitTimeout)
	defer cancel()
	cfg.reportEnvironment()
	c := newComm(cfg.Rank, cfg.Size, cfg)
	if cfg.Size == 1 {
		c.appear()
		return c, nil
	}
	session, ctl, err := c.connect(ctx)
	if err != nil {
		return nil, namingRank(cfg.Rank, err)
	}
	c.setOrder(byHost(session.Table()))
	c.oneHost = allShare(session.Table())
	mesh, err := c.wires(ctx, session)
	if err != nil {
		var cause *RankError
		if !errors.As(err, &cause) {
			cause = &RankError{Rank: cfg.Rank, Doing: "init", Err: err}
		}
		err = ctl.Settle(cause) // what all ranks return: the peer may have failed of something else
		return nil, errors.Join(err, ctl.Close(), session.Close())
	}
	c.family.place = newSessionPlace(session, c.family.hall)
	c.start(mesh, controlPlane{ctl}, func() error {
		defer c.family.place.close()
		return session.Close()
	})
	if err := c.connectRing(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if cfg.Explain {
		logging.Of(cfg.Logger, logging.Init).Info(c.explainPlan())
	}
	return c, nil
}

// namingRank makes sure that an error of Init says which rank it is about.
func namingRank(rank int, err error) error {
	var re *RankError
	var world *bootstrap.WorldError
	if errors.As(err, &re) || errors.As(err, &world) {
		return err
	}
	return &RankError{Rank: rank, Doing: "init", Err: err}
}

// connect meets the other ranks.
func (c *Comm) connect(ctx context.Context) (*bootstrap.Session, *bootstrap.Control, error) {
	cfg := &c.cfg
	b := bootstrap.Config{
		Rank: cfg.Rank, Size: cfg.Size,
		ID: cfg.ID, AtRank0: cfg.founded, Addr: cfg.Root, Secret: secretOf(cfg.Secret),
		Timeout:     cfg.InitTimeout,
		Listen:      cfg.listen(),
		Interface:   cfg.Interface,
		Family:      cfg.Family,
		Fingerprint: cfg.fingerprint(),
		Info:        cfg.info(),
		Handler:     func(from int, payload []byte) { c.inbox.put(message{from, payload}) },
		Control: bootstrap.ControlConfig{
			Causes: sharedCauses, LostAfter: cfg.LostAfter, Heartbeat: cfg.LostAfter / beatsBeforeLost,
		},
		Logger: logging.Of(cfg.Logger, logging.Bootstrap),
	}
	if cfg.meetsByLauncher() {
		return cfg.launched.Connect(ctx, b)
	}
	if cfg.Rank == 0 && cfg.secretIsGuessable() {
		b.Logger.Info(launch.GuessableNotice)
	}
	return bootstrap.Connect(ctx, b)
}

// meetsByLauncher reports whether the launcher says where the ranks meet, and by which
// secret.
func (cfg *Config) meetsByLauncher() bool {
	return cfg.launched != nil && cfg.ID.IsZero() && cfg.Root == ""
}

// secretIsGuessable reports whether others than the job's ranks may know its secret.
func (cfg *Config) secretIsGuessable() bool {
	if cfg.meetsByLauncher() {
		return cfg.launched.Guessable
	}
	return !cfg.ID.IsZero() && cfg.ID.Guessable()
}

// ranksBeside counts the ranks on rank's machine, itself included, so that
// waiting can take into account how many share its processors.
func ranksBeside(table *bootstrap.Table, rank int) int {
	n := 0
	for _, p := range table.Peers {
		if p.Rank == rank || p.Host.SameMachine(table.Peers[rank].Host) {
			n++
		}
	}
	return n
}

// connectRing makes the links that almost every program uses, so that a
// firewall between two ranks shows at Init and not in the first step.
func (c *Comm) connectRing(ctx context.Context) error {
	next, prev := c.next(), c.prev()
	send, err := c.mesh.Sender(ctx, next, 0)
	if err != nil {
		return c.initError(next, err)
	}
	recv, err := c.mesh.Receiver(ctx, prev, 0)
	if err != nil {
		return c.initError(prev, err)
	}
	c.out[next].s, c.in[prev] = send, newInLink(prev, recv)
	return nil
}

// initError tells the other ranks why this one cannot take part, and returns
// what all of them return.
func (c *Comm) initError(peer int, err error) error {
	cause := notReached(peer, err)
	c.control.Fail(cause)
	select {
	case <-c.control.Done():
		return c.control.Err()
	case <-time.After(verdictWait):
		return cause
	}
}

// notReached is the error for a peer to which no link could be made.
func notReached(peer int, err error) *RankError {
	var re *RankError
	switch {
	case errors.As(err, &re):
		return re
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("%w: it did not do its part of a link: %w", ErrTimeout, err)
	}
	return &RankError{Rank: peer, Doing: "init", Err: err}
}

// fingerprint lists the settings that are the same on all ranks.
func (cfg *Config) fingerprint() string {
	parts := []string{
		fmt.Sprintf("chunk %d bytes", cfg.ChunkBytes),
		fmt.Sprintf("logical order %v", cfg.LogicalOrder),
		"transport " + cfg.Transport,
		"algorithm " + cfg.Algorithm,
		fmt.Sprintf("hop %d bytes", cfg.HopBytes),
		fmt.Sprintf("connections %d", cfg.Connections),
		fmt.Sprintf("checksums %v", cfg.Checksums),
		fmt.Sprintf("encryption %v", cfg.Encrypt),
		fmt.Sprintf("lost after %v", cfg.LostAfter),
	}
	parts = append(parts, cfg.Algorithms.asked()...)
	if cfg.ids != "" {
		parts = append(parts, cfg.ids)
	}
	return strings.Join(parts, ", ")
}

// sharedCauses are the sentinels of this layer that keep their identity when a
// failure is told to other ranks. The order is part of the wire protocol.
var sharedCauses = []error{ErrMismatch, ErrInvalidArgument, ErrOverlap, ErrCUDA, ErrRevoked, ErrCorrupt}

// controlPlane is bootstrap's Control as the engine sees it.
type controlPlane struct{ *bootstrap.Control }

// Fail names this rank where the cause names none.
func (p controlPlane) Fail(cause error) {
	var re *transport.RankError
	if !errors.As(cause, &re) {
		re = &transport.RankError{Rank: -1, Err: cause}
	}
	p.Control.Fail(re)
}

func (p controlPlane) Err() error {
	if err := p.Control.Err(); err != nil {
		return err
	}
	return nil
}

// listen is where this rank listens, with port 0 if it names none.
func (cfg *Config) listen() string {
	if _, _, err := net.SplitHostPort(cfg.Listen); cfg.Listen != "" && err != nil {
		return net.JoinHostPort(cfg.Listen, "0")
	}
	return cfg.Listen
}

// secretOf is the handshake's secret for what the user has given.
func secretOf(phrase []byte) bootstrap.Secret {
	if len(phrase) == 0 {
		return bootstrap.Secret{}
	}
	return bootstrap.DeriveSecret(string(phrase))
}

// closeWait is how long Close waits for ranks that still use the communicator.
const closeWait = 10 * time.Second

func (p controlPlane) Leave(over <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	left := make(chan struct{})
	go func() {
		_ = p.Control.Leave(ctx) // whatever it says, this rank is leaving
		close(left)
	}()
	select {
	case <-left:
	case <-over:
		cancel()
		<-left
	}
}
