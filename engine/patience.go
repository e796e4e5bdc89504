package engine

import (
	"runtime"
	"time"
)

// patience paces a loop that looks at something: often at first, since to sleep
// costs more than most things take, then ever less. Where there are processors to
// spare it lets other goroutines run only now and then: whenever one does, the runtime
// wakes a thread to look for more, which takes longer than a look.
type patience struct {
	looks int // after which others had a turn
	quick int // since then
}

const (
	eagerLooks = 500
	quickLooks = 40
	longestNap = 100 * time.Microsecond
)

// roomy: a waiting goroutine may keep its processor for some microseconds.
var roomy = runtime.GOMAXPROCS(0) >= 8

// long reports whether the wait has lasted long enough to look more closely.
func (p *patience) long() bool { return p.looks >= eagerLooks }

func (p *patience) pause() {
	if roomy && p.looks < eagerLooks {
		if p.quick++; p.quick < quickLooks {
			idle()
			return
		}
		p.quick = 0
	}
	p.looks++
	if p.looks < eagerLooks {
		runtime.Gosched()
		return
	}
	time.Sleep(min(longestNap, time.Duration(p.looks-eagerLooks+1)*10*time.Microsecond))
}

// idle takes a tenth of a microsecond or so, and nothing from memory.
//
//go:noinline
func idle() {
	for range 200 { //nolint:revive // it is empty on purpose
	}
}
