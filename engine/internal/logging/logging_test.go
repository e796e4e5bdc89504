package logging

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type words []string

func (w words) Has(s string) bool { return slices.Contains(w, s) }

func TestLevelsAndSubsystems(t *testing.T) {
	say := func(l *slog.Logger) {
		for _, subsystem := range []string{"", Init, Coll} {
			of := l
			if subsystem != "" {
				of = Of(l, subsystem)
			}
			for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn} {
				of.Log(context.Background(), level, strings.ToLower(subsystem+"/"+level.String()))
			}
		}
		l.Log(context.Background(), LevelVersion, "version")
	}
	const all = "/debug /info /warn init/debug init/info init/warn coll/debug coll/info coll/warn version"
	for _, c := range []struct {
		level Levels
		heard Subsystems
		want  string
	}{
		{None, nil, ""},
		{LevelsUpTo("VERSION"), nil, "version"},
		{Warn, nil, "/warn init/warn coll/warn"}, // as NCCL_DEBUG_LEVELS asks for it
		{Warn | Trace, nil, "/debug /warn init/debug init/warn coll/debug coll/warn"},
		{LevelsUpTo("WARN"), words{Coll}, "/warn init/warn coll/warn version"},
		{LevelsUpTo("INFO"), nil, "/info /warn init/info init/warn coll/warn version"},
		{LevelsUpTo("INFO"), words{Coll}, "/warn init/warn coll/debug coll/info coll/warn version"},
		{LevelsUpTo("INFO"), words{Init, Coll}, all},
		{LevelsUpTo("TRACE"), nil, all},
		{LevelsUpTo("TRACE"), words{Init}, "/debug /info /warn init/debug init/info init/warn coll/warn version"},
	} {
		var b bytes.Buffer
		say(slog.New(New(&b, c.level, c.heard)))
		var got []string
		for line := range strings.Lines(b.String()) {
			_, message, ok := strings.Cut(line, "msg=")
			require.True(t, ok, line)
			got = append(got, strings.Fields(message)[0])
		}
		require.Equal(t, c.want, strings.Join(got, " "), "level %v of %v", c.level, c.heard)
	}
}

func TestVersionHasItsName(t *testing.T) {
	var b bytes.Buffer
	slog.New(New(&b, Version, nil)).Log(context.Background(), LevelVersion, "x")
	require.Contains(t, b.String(), "level=VERSION")
}

func TestAttributesOfGroupsAreNoSubsystems(t *testing.T) {
	var b bytes.Buffer
	l := Of(slog.New(New(&b, Info, nil)).WithGroup("peer"), Coll)
	l.Info("heard")
	require.Contains(t, b.String(), "peer.subsys=COLL")
}

func TestLevelNames(t *testing.T) {
	const warn, info = Version | Warn, Version | Warn | Info
	for name, want := range map[string]Levels{"NONE": None, "VERSION": Version, "WARN": warn, "ATTN": warn, "INFO": info, "ABORT": info, "TRACE": info | Trace} {
		require.Equal(t, want, LevelsUpTo(name), name)
	}
	for name, want := range map[string]Levels{"VERSION": Version, "WARN": Warn, "ATTN": Warn, "INFO": Info, "ABORT": None, "TRACE": Trace} {
		require.Equal(t, want, LevelNamed(name), name)
	}
}

func TestHostPart(t *testing.T) {
	for name, want := range map[string]string{"node7": "node7", "node7.cluster.example": "node7", "a/b%c.d": "a-b-c", "": ""} {
		require.Equal(t, want, hostPart(name))
	}
}

func TestExpand(t *testing.T) {
	host, err := os.Hostname()
	require.NoError(t, err)
	got := Expand("/tmp/%h-%p-%r-%%h-%q-%", map[byte]string{'r': "3"})
	require.Equal(t, fmt.Sprintf("/tmp/%s-%d-3-%%h-%%q-%%", hostPart(host), os.Getpid()), got)
}

func TestWriter(t *testing.T) {
	for pattern, want := range map[string]*os.File{"": os.Stderr, "STDERR": os.Stderr, "stdout": os.Stdout} {
		w, err := Writer(pattern)
		require.NoError(t, err)
		require.Equal(t, want, w)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, fmt.Sprintf("log.%d", os.Getpid()))
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	pattern := filepath.Join(dir, "log.%p")
	for _, line := range []string{"a\n", "b\n"} {
		w, err := Writer(pattern)
		require.NoError(t, err)
		_, err = w.Write([]byte(line))
		require.NoError(t, err)
	}
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "a\nb\n", string(content), "emptied once")
	opened.Lock()
	f := opened.files[path]
	delete(opened.files, path)
	opened.Unlock()
	require.NoError(t, f.Close())
	_, err = Writer(filepath.Join(dir, "no", "such", "directory"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
