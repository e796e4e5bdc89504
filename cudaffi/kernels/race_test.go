//go:build race

package kernels

// raceDetector: tests are some ten times slower, and do less.
const raceDetector = true
