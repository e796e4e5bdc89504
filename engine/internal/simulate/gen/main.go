// Command gen puts the table of large worlds into a page.
package main

import (
	"flag"
	"log"
	"os"

	"github.com/monel-dev/monel/engine/internal/simulate"
)

func main() {
	path := flag.String("f", "", "the page")
	flag.Parse()
	page, err := os.ReadFile(*path)
	if err != nil {
		log.Fatal(err)
	}
	text, err := simulate.Insert(string(page))
	if err != nil {
		log.Fatalf("%s: %v", *path, err)
	}
	if err := os.WriteFile(*path, []byte(text), 0o644); err != nil {
		log.Fatal(err)
	}
}
