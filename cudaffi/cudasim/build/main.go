// Command build builds the simulated CUDA driver and prints the library's path, for
// tests on machines that have no compiler.
package main

import (
	"fmt"
	"os"

	"github.com/monel-dev/monel/cudaffi/cudasim"
)

func main() {
	path, err := cudasim.Build()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(path)
}
