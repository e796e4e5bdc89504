package launch

import (
	"os"
	"testing"
)

func TestParseStat(t *testing.T) {
	rest := " S 42 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 777 10 11"
	for line, want := range map[string]string{
		"12 (mpirun)" + rest:         "mpirun",
		"12 (a) b (c))" + rest:       "a) b (c)",
		"12 ()" + rest:               "",
		"12 (x) Z 42" + rest[5:]:     "!",
		"12 (x) S nought" + rest[5:]: "!",
		"12 (x) S 1 2 3":             "!",
		"":                           "!",
		")(":                         "!",
	} {
		name, parent, start, ok := parseStat(line)
		if want == "!" {
			if ok {
				t.Errorf("%q: accepted", line)
			}
		} else if !ok || name != want || parent != 42 || start != "777" {
			t.Errorf("%q: %q %d %q %v", line, name, parent, start, ok)
		}
	}
	start, alive := processStart(os.Getpid())
	if !alive || start == "" {
		t.Error("this process is said not to live")
	}
	if launcherProcess(true) == "" {
		t.Error("this process is said to have no parent")
	}
}
