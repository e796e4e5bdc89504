package bootstrap

import (
	"crypto/fips140"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"github.com/monel-dev/monel/transport"
)

// The handshake, four messages of fixed size:
//
//	dialer   -> listener   intro    what the connection is for, dialer's nonce
//	listener -> dialer     answer   listener's nonce
//	dialer   -> listener   proof    HMAC(key, "dialer", intro, answer)
//	listener -> dialer     outcome  status, HMAC(key, "listener", intro, answer, proof, status)
//
// The dialer proves first, so a stranger who connects learns nothing that
// depends on the secret. Each side's fresh nonce is in both proofs, so neither
// can be replayed; the roles are, so neither can be reflected; and the intro
// names both ranks, so a connection cannot be relayed to another rank. The
// messages keep this form in every version of the protocol: two builds of
// different versions authenticate each other first and then say so.

// ProtocolVersion is the version of everything that follows the handshake.
const ProtocolVersion = 3

const (
	handshakeMagic = "MonelHS1"
	nonceSize      = 32
	proofSize      = sha256.Size
	introSize      = 8 + 2 + 1 + 1 + sessionSize + 4 + 4 + 4 + nonceSize
	answerSize     = 8 + 2 + 6 + nonceSize
	outcomeSize    = 8 + proofSize
	sessionSize    = 16

	// rootRank stands for the root, which is no rank, in intros.
	rootRank = 1<<31 - 1
)

// Purpose says what a connection is for.
type Purpose uint8

// The purposes of connections. Values above PurposeData are free for other
// transports, which set up their own links over such connections: all but the data
// links' are encrypted.
const (
	PurposeRendezvous Purpose = 1 // a rank to the root
	PurposeControl    Purpose = 2 // a member to the coordinator
	PurposeData       Purpose = 3 // a directed data link
)

// errStrictFIPS says why nothing can be encrypted. Nonces here are counters, each used
// once under its key; Go's strict mode allows only those that its own functions make.
var errStrictFIPS = fmt.Errorf("%w: GODEBUG=fips140=only forbids AES-GCM with nonces of one's own, which connections between ranks need; use fips140=on", transport.ErrUnavailable)

// checkFIPS returns errStrictFIPS in that mode.
func checkFIPS() error {
	if fips140.Enforced() {
		return errStrictFIPS
	}
	return nil
}

// sessionID tells one run of a job from another that has the same secret.
type sessionID [sessionSize]byte

func newSessionID() sessionID {
	var s sessionID
	rand.Read(s[:])
	return s
}

// intro is what a dialer states about its connection.
type intro struct {
	version uint16
	purpose Purpose
	session sessionID // zero before the rendezvous
	from    int       // rank of the dialer
	to      int       // rank of the listener, or rootRank
	channel int
}

func (in intro) encode(nonce *[nonceSize]byte) [introSize]byte {
	var b [introSize]byte
	copy(b[:], handshakeMagic)
	binary.LittleEndian.PutUint16(b[8:], in.version)
	b[10] = byte(in.purpose)
	copy(b[12:], in.session[:])
	binary.LittleEndian.PutUint32(b[28:], uint32(in.from))
	binary.LittleEndian.PutUint32(b[32:], uint32(in.to))
	binary.LittleEndian.PutUint32(b[36:], uint32(in.channel))
	copy(b[40:], nonce[:])
	return b
}

func parseIntro(b *[introSize]byte) (intro, error) {
	if string(b[:8]) != handshakeMagic {
		return intro{}, fmt.Errorf("%w: it does not speak Monel's protocol", transport.ErrProtocol)
	}
	in := intro{
		version: binary.LittleEndian.Uint16(b[8:]),
		purpose: Purpose(b[10]),
		session: sessionID(b[12:28]),
		from:    int(int32(binary.LittleEndian.Uint32(b[28:]))),
		to:      int(int32(binary.LittleEndian.Uint32(b[32:]))),
		channel: int(int32(binary.LittleEndian.Uint32(b[36:]))),
	}
	if in.from < 0 || in.to < 0 || in.channel < 0 || in.purpose == 0 || b[11] != 0 {
		return intro{}, fmt.Errorf("%w: malformed introduction", transport.ErrProtocol)
	}
	return in, nil
}

// status is the listener's decision about a connection.
type status uint8

const (
	statusOK              status = 0
	statusUnauthenticated status = 1 // the dialer's proof is wrong
	statusVersion         status = 2
	statusWrongRank       status = 3 // another rank listens here
	statusStale           status = 4 // another run of the job
	statusBusy            status = 5 // too many connections wait for this rank to take them
	statusClosed          status = 6 // the listener is closing
	numStatus             status = 7
)

// handshakeKey is the key of all handshakes of a job. The secret itself is used
// for nothing else.
func handshakeKey(s Secret) []byte {
	mac := hmac.New(sha256.New, s[:])
	io.WriteString(mac, "monel handshake 1")
	return mac.Sum(nil)
}

func prove(key []byte, role string, parts ...[]byte) (p [proofSize]byte) {
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, role)
	for _, part := range parts { // all of fixed size: no ambiguity
		mac.Write(part)
	}
	mac.Sum(p[:0])
	return p
}

const (
	roleDialer   = "monel dialer\x00\x00\x00\x00"
	roleListener = "monel listener\x00\x00"
)

// refused is the dialer's error for a status other than OK.
type refused struct {
	status status
	err    error
}

func (r *refused) Error() string { return r.err.Error() }
func (r *refused) Unwrap() error { return r.err }

// errNotMonel: what answered does not know the protocol.
var errNotMonel = errors.New("something that is not Monel answers there")

// dialHandshake proves this side to the listener behind conn and the listener to
// this side. It returns the connection, without a deadline and encrypted if its purpose
// asks for that; on error the caller closes conn.
func dialHandshake(conn net.Conn, key []byte, in intro, timeout time.Duration) (net.Conn, error) {
	conn.SetDeadline(time.Now().Add(timeout))
	var nonce [nonceSize]byte
	rand.Read(nonce[:])
	hello := in.encode(&nonce)
	if _, err := conn.Write(hello[:]); err != nil {
		return nil, handshakeIO(err, timeout)
	}
	var answer [answerSize]byte
	if _, err := io.ReadFull(conn, answer[:8]); err != nil {
		return nil, handshakeIO(err, timeout)
	}
	if string(answer[:8]) != handshakeMagic {
		return nil, fmt.Errorf("%w: %w", transport.ErrProtocol, errNotMonel)
	}
	if _, err := io.ReadFull(conn, answer[8:]); err != nil {
		return nil, handshakeIO(err, timeout)
	}
	theirs := binary.LittleEndian.Uint16(answer[8:])
	proof := prove(key, roleDialer, hello[:], answer[:])
	if _, err := conn.Write(proof[:]); err != nil {
		return nil, handshakeIO(err, timeout)
	}
	var outcome [outcomeSize]byte
	if _, err := io.ReadFull(conn, outcome[:]); err != nil {
		return nil, handshakeIO(err, timeout)
	}
	st := status(outcome[0])
	if st == statusUnauthenticated {
		return nil, &refused{st, fmt.Errorf("%w: the listener refused this rank's secret; give every rank the same unique id or secret, and see that no other job uses the same address", transport.ErrUnauthenticated)}
	}
	want := prove(key, roleListener, hello[:], answer[:], proof[:], outcome[:8])
	if !hmac.Equal(want[:], outcome[8:]) {
		return nil, fmt.Errorf("%w: the listener did not prove the secret; give every rank the same unique id or secret, and see that no other job uses the same address", transport.ErrUnauthenticated)
	}
	switch st {
	case statusOK:
		conn.SetDeadline(time.Time{})
		return in.purpose.seal(conn, key, slices.Concat(hello[:], answer[:], proof[:]), true), nil
	case statusVersion:
		return nil, &refused{st, versionError(in.version, theirs)}
	case statusWrongRank:
		return nil, &refused{st, fmt.Errorf("%w: another rank listens at this address", transport.ErrProtocol)}
	case statusStale:
		return nil, &refused{st, fmt.Errorf("%w: the listener belongs to another run of the job", transport.ErrPeerLost)}
	case statusBusy:
		return nil, &refused{st, fmt.Errorf("%w: the listener holds too many connections that nobody has accepted", transport.ErrUnavailable)}
	case statusClosed:
		return nil, &refused{st, fmt.Errorf("%w: the peer is closing", transport.ErrPeerLost)}
	}
	return nil, fmt.Errorf("%w: unknown handshake status %d", transport.ErrProtocol, st)
}

func versionError(ours, theirs uint16) error {
	return fmt.Errorf("%w: this side speaks version %d, the other side version %d; run the same Monel on every rank", transport.ErrVersion, ours, theirs)
}

// doorman is what the listener's side of a handshake needs.
type doorman struct {
	key     []byte
	version uint16
	timeout time.Duration

	introduced func()             // the dialer has stated its purpose; may be nil
	decide     func(intro) status // the dialer has proved the secret
}

// accept plays the listener's side and returns what dialHandshake does, and what the
// dialer has stated; on error the caller closes conn.
func (d *doorman) accept(conn net.Conn) (net.Conn, intro, error) {
	timeout := d.timeout
	conn.SetDeadline(time.Now().Add(timeout))
	var hello [introSize]byte
	// The magic is checked as soon as it is there: whoever talks something else
	// need not be listened to until the timeout.
	if _, err := io.ReadFull(conn, hello[:8]); err != nil {
		return nil, intro{}, handshakeIO(err, timeout)
	}
	if string(hello[:8]) != handshakeMagic {
		return nil, intro{}, fmt.Errorf("%w: it does not speak Monel's protocol", transport.ErrProtocol)
	}
	if _, err := io.ReadFull(conn, hello[8:]); err != nil {
		return nil, intro{}, handshakeIO(err, timeout)
	}
	in, err := parseIntro(&hello)
	if err != nil {
		return nil, intro{}, err
	}
	if d.introduced != nil {
		d.introduced()
	}
	var answer [answerSize]byte
	copy(answer[:], handshakeMagic)
	binary.LittleEndian.PutUint16(answer[8:], d.version)
	rand.Read(answer[16:])
	if _, err := conn.Write(answer[:]); err != nil {
		return nil, in, handshakeIO(err, timeout)
	}
	var proof [proofSize]byte
	if _, err := io.ReadFull(conn, proof[:]); err != nil {
		return nil, in, handshakeIO(err, timeout)
	}
	var outcome [outcomeSize]byte
	if want := prove(d.key, roleDialer, hello[:], answer[:]); !hmac.Equal(want[:], proof[:]) {
		outcome[0] = byte(statusUnauthenticated)
		conn.Write(outcome[:])
		return nil, in, fmt.Errorf("%w: its proof of the secret is wrong", transport.ErrUnauthenticated)
	}
	st := statusVersion
	if in.version == d.version {
		st = d.decide(in)
	}
	outcome[0] = byte(st)
	sum := prove(d.key, roleListener, hello[:], answer[:], proof[:], outcome[:8])
	copy(outcome[8:], sum[:])
	conn.SetDeadline(time.Now().Add(timeout)) // decide may have waited
	if _, err := conn.Write(outcome[:]); err != nil {
		return nil, in, handshakeIO(err, timeout)
	}
	switch st {
	case statusOK:
		conn.SetDeadline(time.Time{})
		return in.purpose.seal(conn, d.key, slices.Concat(hello[:], answer[:], proof[:]), false), in, nil
	case statusVersion:
		return nil, in, &refused{st, versionError(d.version, in.version)}
	}
	return nil, in, &refused{st, fmt.Errorf("connection refused with status %d", st)}
}

// errHandshakeEnded: the other side closed during the handshake, as a listener
// does with the oldest stranger when too many come at once.
var errHandshakeEnded = errors.New("the other side closed the connection during the handshake")

func handshakeIO(err error, timeout time.Duration) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: the other side did not complete the handshake in %v", transport.ErrTimeout, timeout)
	default:
		return fmt.Errorf("%w (%v)", errHandshakeEnded, err)
	}
}
