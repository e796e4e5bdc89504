package agree

import "fmt"

// Calls that make a communicator of another, as they are numbered on the wire. They
// take their place in the sequence of operations like collectives, so ranks that call
// something else meanwhile are found in the same way.
const (
	Split Collective = 128 + iota
	Grow
)

// management names a collective that moves no data, or returns "".
func (c Collective) management() string {
	switch c {
	case Split:
		return "split"
	case Grow:
		return "grow"
	}
	return ""
}

// describeManagement spells out a call that moves no data.
func (c *Call) describeManagement() string {
	if c.Kind == Grow {
		return fmt.Sprintf("grow to %d ranks", c.Root)
	}
	return c.Kind.management()
}
