package conformance

import (
	"testing"
)

func misusePanics(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	s, v := r.link()
	panics := func(what string, f func()) {
		t.Helper()
		defer func() {
			t.Helper()
			if recover() == nil {
				t.Errorf("%s does not panic", what)
			}
		}()
		f()
	}
	acquire := func() {
		t.Helper()
		if _, err := s.Acquire(r.ctx); err != nil {
			t.Fatal(err)
		}
	}
	panics("Commit without Acquire", func() { _ = s.Commit(header(0), 0) })
	acquire()
	panics("Commit of a negative length", func() { _ = s.Commit(header(0), -1) })
	acquire()
	panics("Commit of more than a slot", func() { _ = s.Commit(header(0), r.slotSize()+1) })

	panics("Release without Next", v.Release)
	if err := put(r.ctx, s, 7, 10); err != nil {
		t.Fatal(err)
	}
	panics("Commit twice", func() { _ = s.Commit(header(0), 0) })
	if err := get(r.ctx, v, 7, 10); err != nil {
		t.Fatal(err)
	}
	panics("Release twice", v.Release)

	// The link survives all that.
	if err := put(r.ctx, s, 8, 10); err != nil {
		t.Fatal(err)
	}
	if err := get(r.ctx, v, 8, 10); err != nil {
		t.Fatal(err)
	}
}
