// Command gen writes docs/environment.md.
package main

import (
	"flag"
	"log"
	"os"

	"github.com/monel-dev/monel/internal/environ"
)

func main() {
	out := flag.String("o", "", "file to write")
	flag.Parse()
	if err := os.WriteFile(*out, []byte(environ.Page()), 0o644); err != nil {
		log.Fatal(err)
	}
}
