package bootstrap

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"io"
)

// LinkKey is a key for the data link from one rank to another on a channel, 32 bytes,
// the same on both and on no other link of this or another session (a session's
// identity is random).
func (s *Session) LinkKey(from, to, channel int) []byte {
	var link [12]byte
	binary.LittleEndian.PutUint32(link[0:], uint32(from))
	binary.LittleEndian.PutUint32(link[4:], uint32(to))
	binary.LittleEndian.PutUint32(link[8:], uint32(channel))
	mac := hmac.New(sha256.New, s.key)
	io.WriteString(mac, "monel link 1")
	mac.Write(s.table.session[:])
	mac.Write(link[:])
	return mac.Sum(nil)
}
