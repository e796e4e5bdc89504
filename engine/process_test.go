package engine_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// Variables that make the test binary a rank of a communicator.
const (
	envRank = "MONEL_TEST_RANK"
	envSize = "MONEL_TEST_SIZE"
	envID   = "MONEL_TEST_ID"
	// envDevice makes a rank use a device.
	envDevice = "MONEL_TEST_DEVICE"
)

func TestMain(m *testing.M) {
	if os.Getenv(envShrink) != "" {
		os.Exit(survivor())
	}
	if os.Getenv(envRank) != "" {
		os.Exit(childRank())
	}
	os.Exit(m.Run())
}

// childRank all-reduces and broadcasts until something fails, and prints what:
// the rank that the error names, and its kind.
func childRank() int {
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
	defer c.Close()
	if bytes, err := strconv.Atoi(os.Getenv(envEcho)); err == nil {
		echo(c, bytes)
		return 0
	}
	round := onHost(c)
	if os.Getenv(envDevice) != "" {
		if round, err = onStream(c); err != nil {
			fmt.Println("device:", err)
			return 1
		}
	}
	fmt.Println("ready")
	for i := 0; ; i++ {
		if err = round(i % size); err == nil {
			continue
		}
		var re *engine.RankError
		if !errors.As(err, &re) {
			fmt.Println("not a RankError:", err)
			return 1
		}
		fmt.Printf("lost %d %v\n", re.Rank, errors.Is(err, engine.ErrPeerLost))
		return 0
	}
}

// onHost returns a round of calls on a tensor in host memory.
func onHost(c *engine.Comm) func(root int) error {
	x := strided.Of(make([]float32, 1<<20)).Reshape(1024, 1024).Permute(1, 0)
	return func(root int) error {
		if err := c.AllReduce(background, x, x, engine.Max); err != nil {
			return err
		}
		return c.Broadcast(background, x, x, root)
	}
}

// onStream returns a round of calls on a device's tensor, on a stream, which has to
// come to its end whether they fail or not.
func onStream(c *engine.Comm) (func(root int) error, error) {
	driver, err := cudaffi.Default()
	if err != nil {
		return nil, err
	}
	ctx, err := driver.Primary(c.Rank() % driver.DeviceCount())
	if err != nil {
		return nil, err
	}
	stream, err := ctx.NewStream(cudaffi.PriorityDefault)
	if err != nil {
		return nil, err
	}
	at, err := ctx.Alloc(4 << 20)
	if err != nil {
		return nil, err
	}
	x := strided.FromDevice(dtype.Float32, uint64(at), 4<<20).Reshape(1024, 1024).Permute(1, 0)
	return func(root int) error {
		first, err := c.StartAllReduce(background, x, x, engine.Max, engine.OnStream(stream))
		if err != nil {
			return err
		}
		var errs []error
		if second, err := c.StartBroadcast(background, x, x, root, engine.OnStream(stream)); err != nil {
			errs = append(errs, err)
		} else {
			errs = append(errs, second.Wait(background))
		}
		if err := stream.Sync(); err != nil {
			return fmt.Errorf("the stream: %w", err)
		}
		return errors.Join(append(errs, first.Wait(background))...)
	}, c.UseDevice(ctx.Device().Ordinal)
}

// TestKilledProcess kills one of several real processes in the middle of its
// work: every survivor returns the same error, which names it.
func TestKilledProcess(t *testing.T) { testKilledProcess(t) }

// TestKilledProcessOnDevice is the same with tensors of devices, on streams that wait
// for the victim.
func TestKilledProcessOnDevice(t *testing.T) {
	env := []string{envDevice + "=1"}
	if os.Getenv(envGPU) != "1" {
		env = append(env, cudasim.Environment(cudasim.Library(t), cudasim.Delays(1, 20*time.Microsecond))...)
	}
	testKilledProcess(t, env...)
}

// TestKilledProcessOverRDMA is the same over RDMA, in the machine of make test-rdma.
func TestKilledProcessOverRDMA(t *testing.T) {
	if os.Getenv("MONEL_TEST_RDMA") != "1" {
		t.Skip("needs an RDMA device: make test-rdma runs this on one, in a virtual machine")
	}
	testKilledProcess(t, envWire+"=rdma")
}

func testKilledProcess(t *testing.T, env ...string) {
	const size = 4
	for victim := range size {
		t.Run(fmt.Sprintf("rank=%d", victim), func(t *testing.T) {
			id, err := engine.NewLocalUniqueID()
			require.NoError(t, err)
			children := make([]*exec.Cmd, size)
			lines := make([]*bufio.Scanner, size)
			for rank := range size {
				c := exec.Command(os.Args[0])
				c.Env = append(os.Environ(), fmt.Sprintf("%s=%d", envRank, rank), fmt.Sprintf("%s=%d", envSize, size), envID+"="+id.Text())
				c.Env = append(c.Env, env...)
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
			time.Sleep(time.Duration(20+13*victim) * time.Millisecond)
			require.NoError(t, children[victim].Process.Kill())

			type ending struct {
				rank int
				text string
			}
			endings := make(chan ending)
			for rank := range size {
				if rank != victim {
					go func() {
						var said []string
						for lines[rank].Scan() {
							said = append(said, lines[rank].Text())
						}
						endings <- ending{rank, strings.Join(said, "; ")}
					}()
				}
			}
			for range size - 1 {
				select {
				case e := <-endings:
					require.Equal(t, fmt.Sprintf("lost %d true", victim), e.text, "rank %d", e.rank)
				case <-time.After(30 * time.Second):
					t.Fatal("a survivor hangs")
				}
			}
		})
	}
}
