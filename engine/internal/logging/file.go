package logging

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
)

// Expand fills in a pattern for file names: %h is the host's name up to its first dot, as
// NCCL has it, %p the process number, %% a percent sign, and others say what values says. What is left stays as it is.
func Expand(pattern string, values map[byte]string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '%' || i+1 == len(pattern) {
			b.WriteByte(pattern[i])
			continue
		}
		i++
		switch verb := pattern[i]; verb {
		case '%':
			b.WriteByte('%')
		case 'h':
			name, _ := os.Hostname()
			b.WriteString(hostPart(name))
		case 'p':
			b.WriteString(strconv.Itoa(os.Getpid()))
		default:
			if v, ok := values[verb]; ok {
				b.WriteString(v)
			} else {
				b.WriteString(pattern[i-1 : i+1])
			}
		}
	}
	return b.String()
}

// hostPart is a host's name as a part of a file's: up to the first dot, and with a dash for
// what would mean something there.
func hostPart(name string) string {
	name, _, _ = strings.Cut(name, ".")
	return strings.NewReplacer("/", "-", "%", "-").Replace(name)
}

// opened are the files that this process logs to. They stay open, since loggers may
// outlive whatever they were made for.
var opened = struct {
	sync.Mutex
	files map[string]*os.File
}{files: map[string]*os.File{}}

// Writer is where a pattern of NCCL_DEBUG_FILE says that lines go: standard error
// if it is empty. A file is emptied the first time; later calls of the same process
// get the same.
func Writer(pattern string) (io.Writer, error) {
	switch strings.ToLower(pattern) {
	case "", "stderr":
		return os.Stderr, nil
	case "stdout":
		return os.Stdout, nil
	}
	path := Expand(pattern, nil)
	opened.Lock()
	defer opened.Unlock()
	if f := opened.files[path]; f != nil {
		return f, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot log to a file: %w", err)
	}
	opened.files[path] = f
	return f, nil
}
