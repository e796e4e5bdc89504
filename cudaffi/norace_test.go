//go:build !race

package cudaffi_test

const raceDetector = false
