package engine

import (
	"errors"
	"testing"

	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// released counts how often a chunk is given back.
type released struct {
	transport.Receiver
	times int
}

func (r *released) Release() { r.times++ }

// FuzzLetters: no bytes of a peer's make a rank panic or write beyond its tensor, and a
// chunk is given back when its last letter has been read and not before.
func FuzzLetters(f *testing.F) {
	f.Add([]byte{}, uint8(3))
	f.Add([]byte{2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, uint8(2))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 7, 0, 0, 0, 0, 0, 0, 0}, uint8(1))
	f.Fuzz(func(t *testing.T, chunk []byte, count uint8) {
		link := &released{}
		p := &post{in: newInLink(1, link), letters: chunk}
		room := make([]float32, int(count)+2)
		tensor := strided.Of(room[1 : 1+int(count)])
		view, err := tensor.View(strided.Logical)
		if err != nil {
			t.Fatal(err)
		}
		m := &transfer{peer: 1, tensor: tensor, view: view}
		for len(p.letters) > 0 {
			before := len(p.letters)
			if err := p.readLetter(m); err != nil {
				if !errors.Is(err, ErrProtocol) && !errors.Is(err, ErrMismatch) || link.times != 0 {
					t.Fatalf("%v, released %d times", err, link.times)
				}
				return
			}
			if len(p.letters) >= before {
				t.Fatal("no letter was taken")
			}
		}
		if len(chunk) > 0 && link.times != 1 {
			t.Fatalf("released %d times", link.times)
		}
		if room[0] != 0 || room[1+int(count)] != 0 {
			t.Fatal("written beyond the tensor")
		}
	})
}
