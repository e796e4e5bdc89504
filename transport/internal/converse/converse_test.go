package converse_test

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/internal/converse"
)

var protocol = converse.Protocol{Version: 3, Hello: 1, Bye: 2, MaxBody: 100}

// TestServe has a peer say all kinds of things on a connection that it has dialed.
func TestServe(t *testing.T) {
	refused := errors.New("not that one")
	hello, future := protocol.EncodeHello(7), protocol
	future.Version++
	frame := func(t converse.Type, n int) []byte { return converse.Frame(t, make([]byte, n)) }
	for name, c := range map[string]struct {
		said    [][]byte
		greeted bool
		want    error
		heard   []int // lengths of bodies
	}{
		"nothing":           {nil, false, nil, nil},
		"bye":               {[][]byte{hello, protocol.EncodeBye()}, true, converse.ErrBye, nil},
		"messages":          {[][]byte{hello, frame(5, 3), frame(5, 0), frame(5, 100), protocol.EncodeBye()}, true, converse.ErrBye, []int{3, 0, 100}},
		"too long":          {[][]byte{hello, frame(5, 101)}, true, transport.ErrProtocol, nil},
		"no frame":          {[][]byte{hello, {5, 1, 0, 0}}, true, transport.ErrProtocol, nil},
		"refused":           {[][]byte{hello, frame(6, 1)}, true, refused, []int{1}},
		"no hello":          {[][]byte{frame(5, 3)}, true, transport.ErrProtocol, nil},
		"another's hello":   {[][]byte{protocol.EncodeHello(8)}, true, transport.ErrProtocol, nil},
		"a later version":   {[][]byte{future.EncodeHello(7)}, true, transport.ErrProtocol, nil},
		"a hello too short": {[][]byte{frame(1, 7)}, true, transport.ErrProtocol, nil},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := net.Pipe()
			go func() {
				defer far.Close()
				_, _ = far.Write(slices.Concat(c.said...))
			}()
			var heard []int
			conn := converse.Conn{Conn: near}
			greeted, err := conn.Serve(&protocol, 7, func(kind converse.Type, body []byte) error {
				heard = append(heard, len(body))
				if kind == 6 {
					return refused
				}
				return nil
			})
			near.Close()
			require.Equal(t, c.greeted, greeted)
			require.Error(t, err)
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
			}
			require.Equal(t, c.heard, heard)
		})
	}
}

// TestReader reads what was appended, and nothing else.
func TestReader(t *testing.T) {
	b := converse.AppendText(converse.AppendBool([]byte{9, 1, 2, 3, 4}, true), strings.Repeat("x", 20), 10)
	for n := range len(b) + 2 {
		r := converse.Reader{Rest: append(slices.Clone(b), 0)[:n]}
		eight, number, yes, text := r.U8(), r.Number(0x04030201), r.Bool(), r.Text(10)
		if err := r.End("thing"); n != len(b) {
			require.ErrorIs(t, err, transport.ErrProtocol, "%d bytes", n)
			continue
		} else {
			require.NoError(t, err)
		}
		require.Equal(t, []any{uint8(9), 0x04030201, true, strings.Repeat("x", 10)}, []any{eight, number, yes, text})
	}
	for name, read := range map[string]func(r *converse.Reader){
		"number": func(r *converse.Reader) { r.Number(0x04030200) },
		"bool":   func(r *converse.Reader) { r.Take(3); r.Bool() },
		"text":   func(r *converse.Reader) { r.Text(0x0200) },
	} {
		r := converse.Reader{Rest: []byte{1, 2, 3, 4}}
		read(&r)
		require.True(t, r.Bad, name)
		require.Zero(t, r.U8(), name)
	}
}
