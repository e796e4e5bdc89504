package regroup

import "time"

const (
	// rememberedTime is for how long it is remembered that a rank has given up what this
	// one has not begun yet, and mostRemembered how many of them are.
	rememberedTime = 5 * time.Minute
	mostRemembered = 1024
)

// GivenUp says which rank has given up, and why, as an encoded Answer.
type GivenUp struct {
	Rank int
	Why  []byte
}

// upshot is what ranks hear of each other after a meeting, when each does its part of what
// was decided there. The hall's mutex guards it.
type upshot struct {
	watched map[string]func(GivenUp)
	early   map[string]earlyWord // of what nobody watches yet
}

type earlyWord struct {
	GivenUp
	until time.Time
}

func (u *upshot) heard(name string, g GivenUp) {
	if f := u.watched[name]; f != nil {
		f(g)
		return
	}
	now := time.Now()
	for old, e := range u.early {
		if now.After(e.until) {
			delete(u.early, old)
		}
	}
	if u.early == nil {
		u.early = map[string]earlyWord{}
	}
	if _, known := u.early[name]; !known && len(u.early) < mostRemembered {
		u.early[name] = earlyWord{g, now.Add(rememberedTime)}
	}
}

// Watch calls f when another rank says that it has given up what has a name that is used
// once, and at once if it has said so before; until stop is called. f must be quick, and
// not use the hall.
func (h *Hall) Watch(name string, f func(GivenUp)) (stop func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	u := &h.upshot
	if e, ok := u.early[name]; ok {
		delete(u.early, name)
		f(e.GivenUp)
		return func() {}
	}
	if u.watched == nil {
		u.watched = map[string]func(GivenUp){}
	}
	u.watched[name] = f
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(u.watched, name)
	}
}
