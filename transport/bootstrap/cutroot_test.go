package bootstrap

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// A root that no rank of another host answers any more is cut off itself, and does not
// name ranks that cannot come to it.
func TestRootIsCutOff(t *testing.T) {
	for _, alive := range []bool{false, true} {
		root, err := NewRoot(context.Background(), RootConfig{Addr: "127.0.0.1:0", Logger: quiet, apart: true})
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		defer knock(t, root.ID(), 1, 4, 5).Close() // answers nothing
		ended := make(chan error, 1)
		go func() {
			if !alive {
				ended <- nil
				return
			}
			_, _, err := Connect(context.Background(), Config{Rank: 2, Size: 4, ID: root.ID(), Logger: quiet, Timeout: 2 * time.Second})
			ended <- err
		}()
		<-root.Decided()
		if err := <-ended; (err != nil) != alive {
			t.Errorf("alive %v: %v", alive, err)
		}
		root.Close()
		var e *WorldError
		if !errors.As(root.Err(), &e) || e.Reason != MissingRanks {
			t.Fatalf("%v", root.Err())
		}
		if cut := strings.Contains(e.Text, "cut off"); cut == alive || alive != slices.Equal(e.Ranks, []int{0, 3}) {
			t.Errorf("alive %v: %v names %v", alive, e, e.Ranks)
		}
	}
}
