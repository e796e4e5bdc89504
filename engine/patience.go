package engine

import (
	"runtime"
	"time"
)

// patience paces a loop that looks at something: often at first, since to sleep
// costs more than most things take, then ever less.
type patience struct{ looks int }

const (
	eagerLooks = 500
	longestNap = 100 * time.Microsecond
)

// long reports whether the wait has lasted long enough to look more closely.
func (p *patience) long() bool { return p.looks >= eagerLooks }

func (p *patience) pause() {
	p.looks++
	if p.looks < eagerLooks {
		runtime.Gosched()
		return
	}
	time.Sleep(min(longestNap, time.Duration(p.looks-eagerLooks+1)*10*time.Microsecond))
}
