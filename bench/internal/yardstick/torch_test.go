package yardstick

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/bench/peers/kernels"
	"github.com/monel-dev/monel/strided/dtype"
)

// The test binary is a Python with PyTorch where this variable says how that
// behaves.
const asTorch = "MONEL_YARDSTICK_TORCH"

func TestMain(m *testing.M) {
	if behaviour := os.Getenv(asTorch); behaviour != "" {
		os.Exit(fakeTorch(behaviour))
	}
	os.Exit(m.Run())
}

func fakeTorch(behaviour string) int {
	if len(os.Args) != 3 || os.Args[1] != "-c" || os.Args[2] != kernels.Contiguous {
		fmt.Fprintln(os.Stderr, "not called as a Python:", len(os.Args))
		return 2
	}
	if behaviour == "missing" {
		fmt.Fprintln(os.Stderr, "ModuleNotFoundError: No module named 'torch'")
		return 1
	}
	fmt.Println("a warning of something imported")
	fmt.Println("hello 1.2.3")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		switch {
		case behaviour == "freezes":
			time.Sleep(time.Hour)
		case behaviour == "quits":
			fmt.Fprintln(os.Stderr, "out of memory")
			return 4
		case behaviour == "babbles":
			fmt.Println("what?")
		case behaviour == "stops the clock":
			fmt.Println("ok 1e-3 0")
		case lines.Text() == "pack transpose float 20":
			fmt.Println("ok 2.5e-02 1e-3")
		case lines.Text() == "pack transpose half 7":
			fmt.Println("ok 4e-2 3e-2")
		default:
			fmt.Println("error unexpected:", lines.Text())
		}
	}
	return 0
}

// fake makes this test binary the only Python.
func fake(t *testing.T, behaviour string) {
	t.Setenv(asTorch, behaviour)
	self, err := os.Executable()
	require.NoError(t, err)
	before := pythons
	pythons = []string{self}
	t.Cleanup(func() { pythons = before })
}

func started(t *testing.T, behaviour string) *Torch {
	fake(t, behaviour)
	torch, err := StartTorch(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = torch.Close() })
	return torch
}

func TestTorchAnswers(t *testing.T) {
	torch := started(t, "works")
	assert.Equal(t, "1.2.3", torch.Version)
	contiguous, copyInto, err := torch.Time("transpose", dtype.Float32, 20)
	require.NoError(t, err)
	assert.Equal(t, []float64{25e-3, 1e-3}, []float64{contiguous, copyInto})

	_, _, err = torch.Time("sideways", dtype.Float32, 20)
	require.ErrorContains(t, err, "unexpected: pack sideways float 20")
	_, _, err = torch.Time("transpose float 20\npack", dtype.Float32, 20)
	require.ErrorContains(t, err, "no case")

	contiguous, copyInto, err = torch.Time("transpose", dtype.Float16, 7)
	require.NoError(t, err, "it goes on after an error")
	assert.Equal(t, []float64{4e-2, 3e-2}, []float64{contiguous, copyInto})
	require.NoError(t, torch.Close())
	require.NoError(t, torch.Close())
	_, _, err = torch.Time("transpose", dtype.Float16, 7)
	require.ErrorContains(t, err, "ended")
}

func TestTorchFails(t *testing.T) {
	for behaviour, want := range map[string]string{
		"quits":           "out of memory",
		"babbles":         `"what?" is no answer`,
		"stops the clock": `"0" is no time`,
	} {
		t.Run(behaviour, func(t *testing.T) {
			_, _, err := started(t, behaviour).Time("transpose", dtype.Float32, 1)
			require.ErrorContains(t, err, want)
		})
	}
}

func TestTorchIsMissing(t *testing.T) {
	fake(t, "missing")
	pythons = append(pythons, "no-such-python")
	_, err := StartTorch(t.Context())
	require.ErrorContains(t, err, "python3-torch")
	require.ErrorContains(t, err, "No module named 'torch'")
	require.ErrorContains(t, err, "no-such-python")
}

// The first Python that has PyTorch is taken, not the first one.
func TestTorchOfAnotherPython(t *testing.T) {
	fake(t, "works")
	pythons = append([]string{"no-such-python"}, pythons...)
	torch, err := StartTorch(t.Context())
	require.NoError(t, err)
	require.NoError(t, torch.Close())
}

func TestFrozenTorchEndsWithItsContext(t *testing.T) {
	fake(t, "freezes")
	ctx, cancel := context.WithCancel(t.Context())
	torch, err := StartTorch(ctx)
	require.NoError(t, err)
	time.AfterFunc(50*time.Millisecond, cancel)
	_, _, err = torch.Time("transpose", dtype.Float32, 1)
	require.Error(t, err)
	_, err = StartTorch(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestCloseEndsAFrozenTorch(t *testing.T) {
	torch := started(t, "freezes")
	_, err := fmt.Fprintln(torch.ask, "pack transpose float 1")
	require.NoError(t, err)
	require.Error(t, torch.Close(), "it was killed")
}

// The sources name every view and type that Time promises.
func TestSourceKnowsTheCases(t *testing.T) {
	for _, word := range []string{"transpose", "nhwc_to_nchw", "nchw_to_nhwc", dtype.Float32.String(), dtype.Float16.String()} {
		assert.True(t, strings.Contains(kernels.Contiguous, `"`+word+`"`), word)
	}
}
