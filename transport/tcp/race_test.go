//go:build race

package tcp_test

// raceDetector is on in this build; everything takes many times as long then.
const raceDetector = true
