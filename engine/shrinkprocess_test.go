package engine_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
)

// envShrink makes a rank of the test binary go on, with those that are left, when ranks
// die.
const envShrink = "MONEL_TEST_SHRINK"

// survivor all-reduces until something fails, leaves out the ranks that it finds to be
// lost, one after the other, and all-reduces again. It prints what it has done.
func survivor() int {
	rank, _ := strconv.Atoi(os.Getenv(envRank))
	size, _ := strconv.Atoi(os.Getenv(envSize))
	id, err := engine.ParseUniqueID(os.Getenv(envID))
	if err != nil {
		fmt.Println("id:", err)
		return 1
	}
	c, err := engine.Init(background, engine.Config{Rank: rank, Size: size, ID: id, InitTimeout: 20 * time.Second,
		Transport: os.Getenv(envWire)})
	if err != nil {
		fmt.Println("init:", err)
		return 1
	}
	round := onHost(c)
	fmt.Println("ready")
	for i := 0; ; i++ {
		if err = round(i % size); err != nil {
			break
		}
	}
	var lost []int
	for {
		var re *engine.RankError
		if !errors.As(err, &re) || !errors.Is(err, engine.ErrPeerLost) {
			fmt.Println("not a lost rank:", err)
			return 1
		}
		if slices.Contains(lost, re.Rank) && len(lost) > size {
			fmt.Println("lost again and again:", err)
			return 1
		}
		lost = append(lost, re.Rank)
		var next *engine.Comm
		if next, err = c.Shrink(background, lost, engine.ShrinkAbort); err == nil {
			if err := c.Close(); err != nil {
				fmt.Println("close:", err)
				return 1
			}
			c = next
			break
		}
	}
	for range 10 {
		if err := sum(c, rank, c.ParentRanks()); err != nil {
			fmt.Println("shrunk:", err)
			return 1
		}
	}
	fmt.Println("shrunk to", c.ParentRanks())
	if err := c.Close(); err != nil {
		fmt.Println("close:", err)
		return 1
	}
	return 0
}

// TestShrinkAfterDeaths kills processes in the middle of their work, rank 0, which is
// the coordinator, among them: the others find out which, and work on without them.
func TestShrinkAfterDeaths(t *testing.T) {
	const size = 5
	for wire := range worlds {
		if wire == "inproc" {
			continue
		}
		deaths := [][]int{{0}, {1, 3}, {4}, {0, 1}, {0, 2, 3, 4}}
		if raceDetector {
			deaths = deaths[:2]
		}
		for _, victims := range deaths {
			t.Run(fmt.Sprintf("%s/%v", wire, victims), func(t *testing.T) {
				id, err := engine.NewLocalUniqueID()
				require.NoError(t, err)
				children := make([]*exec.Cmd, size)
				lines := make([]*bufio.Scanner, size)
				for rank := range size {
					c := exec.Command(os.Args[0])
					c.Env = append(os.Environ(), envShrink+"=1", envWire+"="+wire, fmt.Sprintf("%s=%d", envRank, rank),
						fmt.Sprintf("%s=%d", envSize, size), envID+"="+id.Text())
					c.Stderr = os.Stderr
					out, err := c.StdoutPipe()
					require.NoError(t, err)
					require.NoError(t, c.Start())
					t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
					children[rank], lines[rank] = c, bufio.NewScanner(out)
				}
				for rank := range size {
					require.True(t, lines[rank].Scan())
					require.Equal(t, "ready", lines[rank].Text())
				}
				time.Sleep(time.Duration(10+7*victims[0]) * time.Millisecond)
				for _, victim := range victims {
					require.NoError(t, children[victim].Process.Kill())
				}
				left := without(size, victims...)
				said := make(chan string)
				for _, rank := range left {
					go func() {
						text := ""
						for lines[rank].Scan() {
							text += lines[rank].Text()
						}
						said <- text
					}()
				}
				for range left {
					select {
					case text := <-said:
						require.Equal(t, fmt.Sprint("shrunk to ", left), text)
					case <-time.After(60 * time.Second):
						t.Fatal("a survivor hangs")
					}
				}
			})
		}
	}
}
