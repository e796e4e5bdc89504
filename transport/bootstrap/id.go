package bootstrap

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"net/netip"
	"strings"
)

// IDSize is the number of bytes in an ID; the same as NCCL_UNIQUE_ID_BYTES.
const IDSize = 128

// ID is the unique id of a communicator: where its ranks meet and the secret
// that they share. Whoever holds it can join, so pass it on as you would a
// password; printing or logging one does not show the secret.
//
//	offset size
//	     0    8  magic "MonelUID"
//	     8    1  format version, 1
//	     9    1  flags: 1 rank 0 is the root, 2 the secret can be guessed, 4 the
//	             address was a name; the others 0
//	    10    1  number of root addresses, 1 to 4
//	    11    1  0
//	    12   32  secret
//	    44   80  4 addresses of 20 bytes: family (4 or 6), 0, port (2 bytes,
//	             little endian), address (16 bytes, an IPv4 address in the
//	             first 4); unused ones are zero
//	   124    4  CRC-32C of the bytes before, little endian
type ID [IDSize]byte

const (
	idMagic     = "MonelUID"
	idVersion   = 1
	idFlagsAt   = 9
	idSecretAt  = 12
	idAddrsAt   = 44
	idAddrSize  = 20
	idSumAt     = 124
	idTextStart = "monel1-"

	// MaxRoots is the number of addresses that an ID has room for.
	MaxRoots = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrID is wrapped by every error about a malformed ID.
var ErrID = errors.New("not a valid unique id")

// NewID makes an ID with a fresh random secret for a root that listens at the
// given addresses.
func NewID(roots ...netip.AddrPort) (ID, error) { return MakeID(NewSecret(), roots...) }

// MakeID makes an ID from a secret and 1 to MaxRoots addresses of the root.
// Addresses that mean something on one machine only (unspecified, with a zone)
// are refused.
func MakeID(secret Secret, roots ...netip.AddrPort) (ID, error) {
	var id ID
	if len(roots) < 1 || len(roots) > MaxRoots {
		return ID{}, fmt.Errorf("%w: %d root addresses, want 1 to %d", ErrID, len(roots), MaxRoots)
	}
	copy(id[:], idMagic)
	id[8] = idVersion
	id[10] = byte(len(roots))
	copy(id[idSecretAt:], secret[:])
	for i, r := range roots {
		field := id[idAddrsAt+i*idAddrSize:][:idAddrSize]
		addr := r.Addr().Unmap()
		if addr.Is4() {
			field[0] = 4
			a := addr.As4()
			copy(field[4:], a[:])
		} else {
			if addr.Zone() != "" {
				return ID{}, fmt.Errorf("%w: root address %v has a zone, which other hosts cannot use", ErrID, r)
			}
			field[0] = 6
			a := addr.As16()
			copy(field[4:], a[:])
		}
		binary.LittleEndian.PutUint16(field[2:], r.Port())
	}
	id.setFlags(0)
	if err := id.Validate(); err != nil {
		return ID{}, err
	}
	return id, nil
}

// setFlags sets the flags, and the checksum of all.
func (id *ID) setFlags(flags byte) {
	id[idFlagsAt] = flags
	binary.LittleEndian.PutUint32(id[idSumAt:], crc32.Checksum(id[:idSumAt], castagnoli))
}

// ParseID validates b, which may come from anywhere, and returns it as an ID.
func ParseID(b []byte) (ID, error) {
	if len(b) != IDSize {
		return ID{}, fmt.Errorf("%w: %d bytes, want %d", ErrID, len(b), IDSize)
	}
	id := ID(b)
	if err := id.Validate(); err != nil {
		return ID{}, err
	}
	return id, nil
}

// ParseIDText reads the form that ID.Text writes, or 256 hexadecimal digits.
func ParseIDText(s string) (ID, error) {
	s = strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(s, idTextStart); ok {
		if base64.RawURLEncoding.DecodedLen(len(rest)) != IDSize {
			return ID{}, fmt.Errorf("%w: %d characters after %q", ErrID, len(rest), idTextStart)
		}
		b, err := base64.RawURLEncoding.Strict().DecodeString(rest)
		if err != nil {
			return ID{}, fmt.Errorf("%w: %v", ErrID, err)
		}
		return ParseID(b)
	}
	if len(s) != hex.EncodedLen(IDSize) {
		return ID{}, fmt.Errorf("%w: want %q and 171 characters, or %d hexadecimal digits", ErrID, idTextStart, 2*IDSize)
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		return ID{}, fmt.Errorf("%w: not hexadecimal", ErrID)
	}
	return ParseID(b)
}

// Validate reports what is wrong with id, wrapping ErrID, or nil.
func (id *ID) Validate() error {
	switch {
	case *id == ID{}:
		return fmt.Errorf("%w: it is empty", ErrID)
	case string(id[:8]) != idMagic:
		return fmt.Errorf("%w: it does not begin with %q; was it made by another library?", ErrID, idMagic)
	case id[8] != idVersion:
		return fmt.Errorf("%w: format version %d, this program knows %d; use the same Monel on every rank", ErrID, id[8], idVersion)
	case binary.LittleEndian.Uint32(id[idSumAt:]) != crc32.Checksum(id[:idSumAt], castagnoli):
		return fmt.Errorf("%w: checksum does not match; it was truncated or altered on the way", ErrID)
	case !knownIDFlags(id[idFlagsAt]) || id[11] != 0:
		return fmt.Errorf("%w: unknown flags", ErrID)
	case id[10] < 1 || id[10] > MaxRoots:
		return fmt.Errorf("%w: %d root addresses", ErrID, id[10])
	case id.Secret().IsZero():
		return fmt.Errorf("%w: it has no secret", ErrID)
	}
	for i := range MaxRoots {
		field := [idAddrSize]byte(id[idAddrsAt+i*idAddrSize:][:idAddrSize])
		if i >= int(id[10]) {
			if field != [idAddrSize]byte{} {
				return fmt.Errorf("%w: bytes after the last root address", ErrID)
			}
			continue
		}
		r, ok := parseIDAddr(field)
		if !ok || !r.Addr().IsValid() || r.Addr().IsUnspecified() || r.Addr().IsMulticast() || r.Port() == 0 {
			return fmt.Errorf("%w: root address %d cannot be connected to", ErrID, i)
		}
	}
	return nil
}

func parseIDAddr(field [idAddrSize]byte) (netip.AddrPort, bool) {
	port := binary.LittleEndian.Uint16(field[2:])
	switch {
	case field[1] != 0:
	case field[0] == 4 && [12]byte(field[8:]) == [12]byte{}:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(field[4:8])), port), true
	case field[0] == 6:
		addr := netip.AddrFrom16([16]byte(field[4:20]))
		return netip.AddrPortFrom(addr, port), !addr.Is4In6()
	}
	return netip.AddrPort{}, false
}

// Roots returns the addresses of the root. id must be valid.
func (id *ID) Roots() []netip.AddrPort {
	var roots []netip.AddrPort
	for i := range min(int(id[10]), MaxRoots) {
		if r, ok := parseIDAddr([idAddrSize]byte(id[idAddrsAt+i*idAddrSize:][:idAddrSize])); ok {
			roots = append(roots, r)
		}
	}
	return roots
}

// Secret returns the secret that the ranks share.
func (id *ID) Secret() Secret { return Secret(id[idSecretAt : idSecretAt+SecretSize]) }

// Keyed is the id of ranks that know a key besides id: their secret is made from both,
// and so is not Guessable. An id that is not valid stays as it is.
func (id ID) Keyed(key []byte) ID {
	keyed, err := MakeID(id.Secret().Keyed(key), id.Roots()...)
	if err != nil || id.Validate() != nil {
		return id
	}
	keyed.setFlags(id[idFlagsAt] &^ idGuessable)
	return keyed
}

// IsZero reports whether id was never set.
func (id *ID) IsZero() bool { return *id == ID{} }

// Text returns id, with its secret, as 178 characters that are safe in an
// environment variable, a file or a command line. ParseIDText reads it back.
// Other users of a machine can see command lines and, on some systems, an
// environment: prefer a file that only its owner can read.
func (id *ID) Text() string { return idTextStart + base64.RawURLEncoding.EncodeToString(id[:]) }

// String describes id without its secret.
func (id ID) String() string {
	if id.IsZero() {
		return "monel id (none)"
	}
	if err := id.Validate(); err != nil {
		return "monel id (invalid)"
	}
	var b strings.Builder
	b.WriteString("monel id, root at ")
	for i, r := range id.Roots() {
		if i > 0 {
			b.WriteString(" or ")
		}
		b.WriteString(r.String())
	}
	return b.String() + " " + withheld
}

// Format writes what String returns, whatever the verb.
func (id ID) Format(f fmt.State, _ rune) { io.WriteString(f, id.String()) }

// LogValue keeps the secret out of structured logs.
func (id ID) LogValue() slog.Value { return slog.StringValue(id.String()) }

// MarshalText describes id without its secret; use Text to pass an ID on.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }
