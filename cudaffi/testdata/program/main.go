// Program says which GPUs there are, or how to get one.
package main

import (
	"fmt"
	"os"

	"github.com/monel-dev/monel/cudaffi"
)

func main() {
	driver, err := cudaffi.Default()
	if err != nil {
		fmt.Println(err)
		os.Exit(3)
	}
	fmt.Println(driver.DeviceCount(), "devices")
}
