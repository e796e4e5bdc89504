#!/usr/bin/env bash
# All tests under the race detector, which needs cgo on Linux.
CGO_ENABLED=1 TEST_TIMEOUT=20m exec "$(dirname "$0")/unit.sh" -race
