package cudaffi

import (
	"os"
	"testing"
)

// needed returns the value of an environment variable that scripts/unit.sh sets.
func needed(t *testing.T, variable, what string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		missing(t, "%s is not set to %s: make unit fetches that", variable, what)
	}
	return value
}

// missing skips a test that lacks something, and fails it in continuous
// integration.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
