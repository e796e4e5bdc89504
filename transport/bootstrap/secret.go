package bootstrap

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
)

// SecretSize is the number of bytes in a Secret.
const SecretSize = 32

// Secret is what the ranks of one job share and strangers do not know. It never
// shows its content when it is printed or logged.
type Secret [SecretSize]byte

// NewSecret returns a secret from the system's random source.
func NewSecret() Secret {
	var s Secret
	rand.Read(s[:]) // never fails: it aborts the program when there is no randomness
	return s
}

// DeriveSecret turns a pass phrase or other job-wide string into a secret. It is
// as hard to guess as the string is.
func DeriveSecret(phrase string) Secret {
	mac := hmac.New(sha256.New, []byte("monel secret 1"))
	io.WriteString(mac, phrase)
	var s Secret
	mac.Sum(s[:0])
	return s
}

const withheld = "(secret withheld)"

// IsZero reports whether s was never set.
func (s Secret) IsZero() bool { return s == Secret{} }

// String says that there is a secret, not which.
func (s Secret) String() string { return withheld }

// Format does as String does, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, withheld) }

// LogValue keeps the secret out of structured logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(withheld) }

// MarshalText keeps the secret out of JSON and other encodings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(withheld), nil }

// Keyed is the secret of those who know a key besides s.
func (s Secret) Keyed(key []byte) Secret {
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, "monel keyed secret 1")
	mac.Write(s[:])
	var keyed Secret
	mac.Sum(keyed[:0])
	return keyed
}
