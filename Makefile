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

.PHONY: test
test: ## Unit, contract, golden, story and integration tests
	$(GO) test -race ./...

.PHONY: helm-compat
helm-compat: ## Render every chart and plan with Helm 3.5.4 (Helm Broker's) and Helm 4
	cd test/helm-compat/helm35 && $(GO) test ./...
	cd test/helm-compat/helm4 && $(GO) test ./...

.PHONY: verify
verify: ## Vet, format and generated files
	$(GO) vet ./...
	@files=$$(gofmt -l cmd pkg schemas test); if [ -n "$$files" ]; then echo "gofmt: $$files"; exit 1; fi

.PHONY: generate
generate: build ## Rewrite what is generated: links of the add-ons, indexes
	bin/addonctl link
	bin/addonctl build

.PHONY: clean
clean: ## Remove bin/ and dist/
	rm -rf bin dist
