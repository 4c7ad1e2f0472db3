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
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the three static binaries into bin/
	@mkdir -p bin
	$(GOBUILD) -o bin/ $(BINARIES:%=./cmd/%)

.PHONY: demo
demo: build ## Package every add-on, try every plan against both generations of Kyma, on this machine
	@scripts/demo.sh

# Images take the charts' appVersion as their tag, and where the charts look for them.
REGISTRY   ?= ghcr.io/kyma-connectors
IMAGE_TAG  ?= $(shell sed -n 's/^appVersion: *//p' charts/*/Chart.yaml | tr -d '"' | sort -u)
IMAGES     := registration-job event-gateway
IMAGE_TOOL := $(GO) -C scripts/images run .

.PHONY: image-tag
image-tag:
	@echo '$(IMAGE_TAG)'

.PHONY: images
images: ## Container images for linux/amd64 and arm64, as OCI layouts and as archives: bin/images
	@rm -rf bin/images && mkdir -p bin/images
	@for arch in amd64 arm64; do mkdir -p bin/linux_$$arch && GOOS=linux GOARCH=$$arch $(GOBUILD) -o bin/linux_$$arch/ $(IMAGES:%=./cmd/%) || exit 1; done
	@$(IMAGE_TOOL) build -binaries $(CURDIR)/bin -out $(CURDIR)/bin/images -registry '$(REGISTRY)' -version '$(IMAGE_TAG)' \
		-revision '$(shell git rev-parse HEAD 2>/dev/null)' -created $(or $(shell git log -1 --format=%ct 2>/dev/null),0) \
		-source https://$(MODULE) $(IMAGES)

.PHONY: push
push: images ## Push the images: make push REGISTRY=registry.example.com/team
	@$(IMAGE_TOOL) push -out $(CURDIR)/bin/images -registry '$(REGISTRY)' -version '$(IMAGE_TAG)' $(IMAGES)

.PHONY: dist
dist: build images ## What a release publishes: add-ons and charts that name the images by digest, in dist/
	@scripts/dist.sh '$(REGISTRY)'

.PHONY: verify-images
verify-images: ## Two clones give the same images, byte for byte
	@scripts/verify-images.sh

# The charts run without the race detector: only Helm's engine works there, one rendering after the other, and takes seven times as long under it.
# -count=1: charts lie outside those modules, so a cached result would not notice that they changed.
.PHONY: test
test: ## Unit, contract, golden, story and integration tests, the charts under every Helm, their rights before Kubernetes' authorizer
	$(GO) test -race -timeout 20m $$($(GO) list ./... | grep -v /test/charts$$)
	$(GO) test ./test/charts
	@for module in scripts/images/ test/helm-compat/*/ test/promql/ test/rbac/; do echo "$$module"; $(GO) -C $$module test -count=1 ./... || exit 1; done

# In the package's own directory, so that the table of figures is shown.
.PHONY: chaos
chaos: ## Kill the gateway 300 times and break everything around it, and count every event (a few minutes)
	CHAOS_KILLS=200 CHAOS_EVENTS=300 CHAOS_BACKLOG=3000 CHAOS_P99=2s CHAOS_SOCKETS=10000 CHAOS_BODIES=1000 $(GO) -C test/chaos test -count=1 -timeout 60m -parallel 6

.PHONY: fuzz
fuzz: ## Fuzz every parser of outside bytes, each for FUZZTIME (default 30s); FUZZ chooses some
	@GO=$(GO) scripts/fuzz.sh

.PHONY: verify
verify: build bin/tools/golangci-lint ## Lint, formatting, add-on rules and generated files
	bin/tools/golangci-lint run ./...
	bin/addonctl lint
	@scripts/verify-generated.sh

# The linter has a module of its own: its dependencies stay out of the product's.
bin/tools/golangci-lint: scripts/tools/go.mod scripts/tools/go.sum
	@mkdir -p bin/tools
	$(GO) -C scripts/tools build -o $(CURDIR)/$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

# Every program below bench/ measures one area, prints what it found and replaces its section of the document.
.PHONY: bench
bench: build ## Measure on this machine, and write docs/reference/benchmarks.md
	@for program in bench/*/main.go; do $(GO) run ./$$(dirname $$program) -document docs/reference/benchmarks.md || exit 1; done

.PHONY: generate
generate: build ## Rewrite what is generated: links of the add-ons, form schemas and values, indexes, pages of rules and commands, go.mod
	$(GO) mod tidy
	bin/addonctl link
	bin/addonctl lint --fix
	bin/addonctl index
	bin/addonctl docs rules --out docs/reference/rules
	bin/addonctl docs cli --out docs/reference/cli

CLUSTER := bin/cluster

.PHONY: $(CLUSTER)
$(CLUSTER):
	@mkdir -p bin
	@CGO_ENABLED=0 $(GO) build -trimpath -o $@ ./test/cluster

.PHONY: cluster-up
cluster-up: $(CLUSTER) ## A real Kubernetes node on this machine, for tests (Debian, root); else the cluster of KUBECONFIG
	@$(CLUSTER) up

.PHONY: cluster-down
cluster-down: $(CLUSTER) ## Stop it and remove everything but the cached programs
	@$(CLUSTER) down

.PHONY: cluster-check
cluster-check: $(CLUSTER) ## Start, break and stop it, and compare the machine with before
	@scripts/check-cluster.sh

.PHONY: e2e
e2e: $(CLUSTER) ## The suite that needs a real cluster: that of cluster-up, or of KUBECONFIG
	@scripts/e2e.sh $(E2EFLAGS)

.PHONY: clean
clean: ## Remove bin/ and dist/
	rm -rf bin dist
