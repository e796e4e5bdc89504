package metrics_test

import (
	"log"
	"net/http"

	"github.com/monel-dev/monel/metrics"
)

// A training process lets Prometheus look at its communicators.
func ExampleHandler() {
	mux := http.NewServeMux()
	mux.Handle("/metrics", metrics.Handler())
	go func() { log.Println(http.ListenAndServe("localhost:9400", mux)) }()
	// ... engine.Init, training ...
}
