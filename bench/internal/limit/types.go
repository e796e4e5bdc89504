package limit

import (
	"fmt"

	"github.com/monel-dev/monel/strided/dtype"
)

// typeSize is the size of an element of a named type, in bytes.
type typeSize int

func (s *typeSize) set(name string) error {
	for _, dt := range dtype.All() {
		if dt.String() == name {
			*s = typeSize(dt.Size())
			return nil
		}
	}
	return fmt.Errorf("%q is not an element type", name)
}
