# `make` lists what there is. Go and make are all that building and testing
# need; the other tools are installed into .tools/ at fixed versions.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

TOOLS := $(CURDIR)/.tools
PLUGINS := $(patsubst plugins/%/,%,$(wildcard plugins/*/))

# The tools and their versions. A version is part of the folder's name, so that
# a new one is installed beside the old one.
GOLANGCI_LINT_VERSION := 2.15.0
BUF_VERSION := 1.75.0
PROTOC_GEN_GO_VERSION := 1.36.12
PROTOC_GEN_GO_GRPC_VERSION := 1.6.2
# The mock of Stripe's API version 2023-10-16, which the connector speaks.
STRIPE_MOCK_VERSION := 0.183.0

GOLANGCI_LINT := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)/golangci-lint
BUF := $(TOOLS)/buf-$(BUF_VERSION)/buf
PROTOC_GEN_GO := $(TOOLS)/protoc-gen-go-$(PROTOC_GEN_GO_VERSION)/protoc-gen-go
PROTOC_GEN_GO_GRPC := $(TOOLS)/protoc-gen-go-grpc-$(PROTOC_GEN_GO_GRPC_VERSION)/protoc-gen-go-grpc
STRIPE_MOCK := $(TOOLS)/stripe-mock-$(STRIPE_MOCK_VERSION)/stripe-mock
NPM_CLIENTS := $(TOOLS)/npm
PROTO_TOOLS := $(BUF) $(PROTOC_GEN_GO) $(PROTOC_GEN_GO_GRPC)
# `buf generate` finds its plugins in PATH.
PROTO_PATH := $(dir $(PROTOC_GEN_GO)):$(dir $(PROTOC_GEN_GO_GRPC)):$(PATH)

# -buildvcs=false: a plugin's checksum is pinned when it is first used, and must
# not change with a commit that left the plugin alone.
BUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false

# The race detector needs a C compiler.
CC_FOUND := $(shell command -v "$$(go env CC)" 2>/dev/null)
RACE := $(if $(CC_FOUND),-race)

TEST_TIMEOUT := 15m
FUZZ_TIME := 20s
HISTORIES := 2000
SEED = $(shell date +%s)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## bin/ml-connector and the connectors in bin/plugins/
	$(BUILD) -o bin/ml-connector ./host
	@set -e; for name in $(PLUGINS); do \
		echo "$(BUILD) -o bin/plugins/ml-connector-plugin-$$name ./plugins/$$name"; \
		$(BUILD) -o bin/plugins/ml-connector-plugin-$$name ./plugins/$$name; \
	done

.PHONY: demo
demo: build ## a day of business against stand-ins, no account needed
	bin/ml-connector demo

# Errors of `go test` itself, and packages that do not build, reach the summary
# as events; it fails when a test failed or when there was none.
.PHONY: test
test: ## go vet and all tests; V=1 prints every test
	go vet ./...
	@echo "go test $(strip $(RACE) -timeout $(TEST_TIMEOUT)) ./..."
	@go test -json $(RACE) -timeout $(TEST_TIMEOUT) ./... | go run ./test/summary $(if $(V),-v)
	@$(if $(RACE),true,echo "left out: the race detector (-race), because there is no C compiler here")
	@echo "left out: fuzzing beyond the stored inputs (make fuzz) and benchmarks (make bench)"

# Whatever cannot be installed is left out, and its tests say so. XERO_OPENAPI
# names a copy of https://github.com/XeroAPI/Xero-OpenAPI, xero_accounting.yaml.
.PHONY: proof
proof: ## hold the connectors against Xero's and Stripe's documents, mock and clients
	@$(MAKE) $(STRIPE_MOCK) || echo "left out: stripe-mock cannot be installed here"
	@$(MAKE) $(NPM_CLIENTS)/installed || echo "left out: the npm clients cannot be installed here"
	@XERO_OPENAPI="$(abspath $(XERO_OPENAPI))" STRIPE_MOCK="$(STRIPE_MOCK)" STRIPE_OPENAPI="$(dir $(STRIPE_MOCK))spec3.json" \
		NPM_PROOF="$$([ -f $(NPM_CLIENTS)/installed ] && echo 1)" NPM_CLIENTS="$(NPM_CLIENTS)" \
		go test -json $(RACE) -count=1 -timeout 5m ./test/proof | go run ./test/summary -v

# SEED=N plays the same histories again; a failed one says which seed is its own.
.PHONY: model
model: ## 2,000 random histories of business, each proved (SEED, HISTORIES)
	go test -count=1 -timeout $(TEST_TIMEOUT) -run '^TestModel$$' -v ./host/internal/cli \
		-model.histories $(HISTORIES) -model.seed $(SEED)

.PHONY: lint
lint: $(GOLANGCI_LINT) ## golangci-lint, as set in .golangci.yml
	$(GOLANGCI_LINT) run ./...

.PHONY: generate
generate: $(PROTO_TOOLS) ## the Go code of the plugin contract, from proto/
	cd proto && PATH="$(PROTO_PATH)" $(BUF) generate

.PHONY: verify
verify: $(PROTO_TOOLS) ## generated code, go.mod and formatting are as they should be
	cd proto && $(BUF) lint
	@set -e; fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	(cd proto && PATH="$(PROTO_PATH)" $(BUF) generate -o "$$fresh"); \
	diff -r --exclude='*.proto' "$$fresh/connector" proto/connector || \
		{ echo "proto/ is stale: run make generate" >&2; exit 1; }
	go mod tidy -diff
	@unformatted=$$(gofmt -l $$(go list -f '{{.Dir}}' ./...)); \
	if [ -n "$$unformatted" ]; then \
		echo "not formatted, run gofmt -w on:" >&2; echo "$$unformatted" >&2; exit 1; \
	fi
	@echo "generated code, go.mod and formatting are fresh"

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZ_TIME (20s)
	@set -e; grep -rl --include='*_test.go' --exclude-dir='.*' '^func Fuzz' money connector examples host plugins sandbox | while read -r file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
			echo "== $$target in $$(dirname "$$file")"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZ_TIME) "./$$(dirname "$$file")" </dev/null; \
		done; \
	done

.PHONY: bench
bench: ## every benchmark, without the tests
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: clean
clean: ## remove bin/ and what tests left in Go's cache; .tools/ stays
	rm -rf bin
	go clean -testcache

$(GOLANGCI_LINT):
	GOBIN=$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(GOLANGCI_LINT_VERSION)

$(BUF):
	GOBIN=$(@D) go install github.com/bufbuild/buf/cmd/buf@v$(BUF_VERSION)

$(PROTOC_GEN_GO):
	GOBIN=$(@D) go install google.golang.org/protobuf/cmd/protoc-gen-go@v$(PROTOC_GEN_GO_VERSION)

$(PROTOC_GEN_GO_GRPC):
	GOBIN=$(@D) go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v$(PROTOC_GEN_GO_GRPC_VERSION)

# With the OpenAPI document that it was built with.
$(STRIPE_MOCK):
	GOBIN=$(@D) go install github.com/stripe/stripe-mock@v$(STRIPE_MOCK_VERSION)
	install -m 644 "$$(go env GOMODCACHE)/github.com/stripe/stripe-mock@v$(STRIPE_MOCK_VERSION)/embedded/openapi/spec3.json" $(@D)/

$(NPM_CLIENTS)/installed: test/proof/npm/package.json
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || { echo "Node 20 or later is needed" >&2; exit 1; }
	mkdir -p $(@D)
	cp $< $(@D)/
	cd $(@D) && npm install --ignore-scripts --no-audit --no-fund --no-package-lock --fetch-timeout=60000 --fetch-retries=1
	touch $@
