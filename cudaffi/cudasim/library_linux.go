package cudasim

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const libraryName = "libcuda.so.1"

// driverFlags are the C compiler's for the driver, kernelFlags the C++ compiler's
// for the kernels, as kernels.HostFlags has them: this package imports none of
// what is tested with it.
var (
	driverFlags = []string{"-O1", "-g", "-fPIC", "-pthread", "-fvisibility=hidden", "-Wall", "-c"}
	kernelFlags = []string{"-x", "c++", "-std=c++17", "-O2", "-fPIC", "-ffp-contract=off", "-fno-strict-aliasing", "-c", "-fvisibility=hidden"}
	linkFlags   = []string{"-shared", "-pthread", "-Wl,-z,defs"}
)

// keep is how long libraries stay in the cache that nobody uses.
const keep = 7 * 24 * time.Hour

func buildLibrary() (string, error) {
	tools, err := findCompilers()
	if err != nil {
		return "", err
	}
	files, err := findSources()
	if err != nil {
		return "", err
	}
	name, err := contentHash(tools, files)
	if err != nil {
		return "", err
	}
	cache, err := cacheFolder()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, name)
	library := filepath.Join(folder, libraryName)
	if used(folder) {
		return library, nil
	}
	// Test binaries of several packages start at once: one builds, the others
	// wait for it.
	unlock, err := lock(filepath.Join(cache, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if used(folder) {
		return library, nil
	}
	tidy(cache)
	half, err := os.MkdirTemp(cache, "half-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(half)
	if err := compile(tools, files, half); err != nil {
		return "", err
	}
	return library, os.Rename(half, folder)
}

// compilers are the system's.
type compilers struct{ c, cxx string }

func findCompilers() (compilers, error) {
	c, err := firstOf("C", "cc", "gcc", "clang")
	if err != nil {
		return compilers{}, err
	}
	cxx, err := firstOf("C++", "c++", "g++", "clang++")
	return compilers{c, cxx}, err
}

func firstOf(language string, names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: there is no compiler for %s: install one (g++ on Debian)", errUnavailable, language)
}

// sources are the files that the library is made from: two that are compiled, and
// what those include.
type sources struct{ driver, kernels, headers []string }

func findSources() (s sources, err error) {
	here, err := folder()
	if err != nil {
		return s, err
	}
	kernels := filepath.Join(filepath.Dir(here), "kernels")
	for _, of := range []struct {
		pattern string
		files   *[]string
	}{
		{filepath.Join(here, "driver", "*.c"), &s.driver},
		{filepath.Join(kernels, "kernels.cu"), &s.kernels},
		{filepath.Join(here, "driver", "*.h"), &s.headers},
		{filepath.Join(kernels, "*.h"), &s.headers},
		{filepath.Join(kernels, "*.cu"), &s.headers},
	} {
		found, err := filepath.Glob(of.pattern)
		if err != nil {
			return s, err
		}
		*of.files = append(*of.files, found...)
	}
	return s, nil
}

// folder is where this package's sources are.
func folder() (string, error) {
	_, file, _, _ := runtime.Caller(0)
	if _, err := os.Stat(file); err == nil {
		return filepath.Dir(file), nil
	}
	// The binary does not know (-trimpath); but tests run in their sources.
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/monel-dev/monel/cudaffi/cudasim").Output()
	if err != nil {
		return "", fmt.Errorf("cudasim: cannot find the driver's sources: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// contentHash is of all that the library is made from.
func contentHash(tools compilers, files sources) (string, error) {
	h := sha256.New()
	for _, tool := range []string{tools.c, tools.cxx} {
		version, err := exec.Command(tool, "--version").Output()
		if err != nil {
			return "", fmt.Errorf("cudasim: %s: %w", tool, err)
		}
		fmt.Fprintf(h, "%s %d\n%s", tool, len(version), version)
	}
	fmt.Fprintf(h, "%q %q %q\n", driverFlags, kernelFlags, linkFlags)
	for _, path := range slices.Concat(files.driver, files.kernels, files.headers) {
		b, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n%s", filepath.Base(path), len(b), b)
	}
	return hex.EncodeToString(h.Sum(nil)[:12]), nil
}

// cacheFolder is the user's, or one for this user among temporary files.
func cacheFolder() (string, error) {
	if dir, err := os.UserCacheDir(); err == nil {
		dir = filepath.Join(dir, "monel", "cudasim")
		if os.MkdirAll(dir, 0o755) == nil && unix.Access(dir, unix.W_OK) == nil {
			return dir, nil
		}
	}
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("monel-cudasim-%d", os.Getuid()))
	return dir, os.MkdirAll(dir, 0o700)
}

// used reports whether the folder is complete, and notes that it is in use.
func used(folder string) bool {
	if _, err := os.Stat(filepath.Join(folder, libraryName)); err != nil {
		return false
	}
	now := time.Now()
	_ = os.Chtimes(folder, now, now)
	return true
}

// tidy removes what has not been used for long.
func tidy(cache string) {
	entries, _ := os.ReadDir(cache)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.IsDir() && time.Since(info.ModTime()) > keep {
			_ = os.RemoveAll(filepath.Join(cache, e.Name()))
		}
	}
}

// lock waits for the lock of a file, which the end of the process gives up, too.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, os.NewSyscallError("flock", err)
	}
	return func() { f.Close() }, nil
}

// compile builds the library in a folder: driver and kernels at the same time.
func compile(tools compilers, files sources, folder string) error {
	half := filepath.Join(folder, "objects")
	if err := os.Mkdir(half, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(half)
	driver := make(chan error, 1)
	go func() { driver <- run(half, tools.c, slices.Concat(driverFlags, files.driver)...) }()
	err := run(half, tools.cxx, slices.Concat(kernelFlags, files.kernels)...)
	if err := errors.Join(<-driver, err); err != nil {
		return err
	}
	objects, err := filepath.Glob(filepath.Join(half, "*.o"))
	if err != nil {
		return err
	}
	return run(folder, tools.c, slices.Concat(linkFlags, []string{"-o", libraryName}, objects)...)
}

func run(folder, compiler string, args ...string) error {
	cmd := exec.Command(compiler, args...)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cudasim: %s: %w\n%s", compiler, err, tail(string(out), 4000))
	}
	return nil
}

func tail(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return "..." + s[len(s)-n:]
}
