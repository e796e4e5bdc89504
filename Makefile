# Nothing has to be built or installed to use Monel: it is a Go module. These
# targets measure and check it. `make` alone lists them.

export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help
.PHONY: help bench test deps lint unit generated cross launchers fuzz race

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

bench: ## print verified tables of all_reduce and broadcast, contiguous and transposed (NP=2)
	@scripts/bench.sh

# In the order in which mistakes are found soonest.
test: deps lint generated unit cross launchers fuzz race ## everything that CI checks
	@echo "all checks passed"

deps: ## install what the checks need (Debian)
	@scripts/deps.sh

lint: ## gofmt, vet, staticcheck, tidy modules
	@scripts/lint.sh

unit: ## all tests
	go test -timeout 10m ./...

generated: ## generated files are up to date
	@scripts/generated.sh

cross: ## build and vet for the other platforms
	@scripts/cross.sh

launchers: ## the bench under mpirun, torchrun's and Slurm's environments
	@scripts/launchers.sh

fuzz: ## every fuzz target for FUZZTIME (5s)
	@scripts/fuzz.sh

race: ## all tests under the race detector
	@scripts/race.sh
