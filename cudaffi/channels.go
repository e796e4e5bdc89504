package cudaffi

import "os"

// channelsVariable is the driver's own: how many hardware channels a context has
// for its streams.
const channelsVariable = "CUDA_DEVICE_MAX_CONNECTIONS"

// mostChannels is the most that the driver takes.
const mostChannels = "32"

// widen asks for as many hardware channels as there can be, unless the environment
// says how many. Streams on one channel wait for each other's turn, whatever their
// priorities: on an H100, once the driver's 8 are taken by streams that wait for a
// value, nothing else of the context runs. Only the first who initialises the driver
// in a process decides this.
func widen() {
	if os.Getenv(channelsVariable) == "" {
		_ = os.Setenv(channelsVariable, mostChannels) // fails on names that are not
	}
}
