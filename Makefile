# Everything that a person or a pipeline runs. `make` alone lists the targets.

GO      ?= go
VERSION ?= $(shell git describe --tags --match 'v*' --always --dirty 2>/dev/null || echo unknown)

MODULE   := github.com/kyma-connectors/kyma-connectors
BINARIES := addonctl registration-job event-gateway
# No paths of this machine and no state of the checkout in the binaries: the same sources give the same bytes.
GOBUILD  := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -X $(MODULE)/pkg/internal/cli.version=$(VERSION)'

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the three static binaries into bin/
	@mkdir -p bin
	$(GOBUILD) -o bin/ $(BINARIES:%=./cmd/%)

.PHONY: demo
demo: build ## Package every add-on, try every plan against both generations of Kyma, on this machine
	@scripts/demo.sh

# -count=1: charts lie outside those modules, so a cached result would not notice that they changed.
.PHONY: test
test: ## Unit, contract, golden, story and integration tests, and the charts under every Helm
	$(GO) test -race ./...
	@for engine in test/helm-compat/*/; do echo "$$engine"; $(GO) -C $$engine test -count=1 ./... || exit 1; done

.PHONY: verify
verify: build bin/tools/golangci-lint ## Lint, formatting, add-on rules and generated files
	bin/tools/golangci-lint run ./...
	bin/addonctl lint
	@scripts/verify-generated.sh

# The linter has a module of its own: its dependencies stay out of the product's.
bin/tools/golangci-lint: scripts/tools/go.mod scripts/tools/go.sum
	@mkdir -p bin/tools
	$(GO) -C scripts/tools build -o $(CURDIR)/$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: generate
generate: build ## Rewrite what is generated: links of the add-ons, form schemas and values, indexes, go.mod
	$(GO) mod tidy
	bin/addonctl link
	bin/addonctl lint --fix
	bin/addonctl index

.PHONY: clean
clean: ## Remove bin/ and dist/
	rm -rf bin dist
