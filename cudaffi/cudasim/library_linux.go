package cudasim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const libraryName = "libcuda.so.1"

// driverFlags are the compiler's for the driver, kernelFlags for the kernels, as
// kernels.HostFlags has them: this package imports none of what is tested with
// it.
var (
	driverFlags = []string{"-O1", "-g", "-fPIC", "-pthread", "-fvisibility=hidden", "-Wall"}
	kernelFlags = []string{"-x", "c++", "-std=c++17", "-O2", "-fPIC", "-ffp-contract=off", "-fno-strict-aliasing", "-c", "-g", "-fvisibility=hidden"}
)

// keep is how long libraries stay in the cache that nobody uses.
const keep = 7 * 24 * time.Hour

func buildLibrary() (string, error) {
	compiler, err := findCompiler()
	if err != nil {
		return "", err
	}
	sources, headers, err := findSources()
	if err != nil {
		return "", err
	}
	name, err := contentHash(compiler, sources, headers)
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
	if err := compile(compiler, sources, half); err != nil {
		return "", err
	}
	return library, os.Rename(half, folder)
}

// findCompiler finds a compiler for C and C++.
func findCompiler() (string, error) {
	for _, name := range []string{"c++", "g++", "clang++"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: there is no C++ compiler: install one (g++ on Debian)", errUnavailable)
}

// findSources lists the driver's sources, those of the kernels, and what they
// include.
func findSources() (sources, headers []string, err error) {
	here, err := folder()
	if err != nil {
		return nil, nil, err
	}
	kernels := filepath.Join(filepath.Dir(here), "kernels")
	for _, pattern := range []string{filepath.Join(here, "driver", "*.c"), filepath.Join(kernels, "*.cu")} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, nil, err
		}
		sources = append(sources, found...)
	}
	for _, pattern := range []string{filepath.Join(here, "driver", "*.h"), filepath.Join(kernels, "*.h")} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, nil, err
		}
		headers = append(headers, found...)
	}
	return sources, headers, nil
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
func contentHash(compiler string, sources, headers []string) (string, error) {
	version, err := exec.Command(compiler, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("cudasim: %s: %w", compiler, err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%q\n%q\n", compiler, version, driverFlags, kernelFlags)
	for _, path := range append(append([]string{}, sources...), headers...) {
		b, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n", filepath.Base(path), len(b))
		if _, err := h.Write(b); err != nil {
			return "", err
		}
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

// compile builds the library in a folder.
func compile(compiler string, sources []string, folder string) error {
	link := append(append([]string{}, driverFlags...), "-shared", "-o", filepath.Join(folder, libraryName))
	for _, source := range sources {
		if filepath.Ext(source) != ".cu" {
			link = append(link, "-x", "c", source)
			continue
		}
		object := filepath.Join(folder, filepath.Base(source)+".o")
		if err := run(compiler, append(append([]string{}, kernelFlags...), "-o", object, source)...); err != nil {
			return err
		}
		defer os.Remove(object)
		link = append(link, "-x", "none", object)
	}
	return run(compiler, link...)
}

func run(compiler string, args ...string) error {
	out, err := exec.Command(compiler, args...).CombinedOutput()
	if err != nil {
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
