//go:build !race

package tcp_test

const raceDetector = false
