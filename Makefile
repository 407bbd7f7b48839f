# Ten lines a target at most; what needs more is a script in deploy/.
SHELL := bash
GO    ?= go
TOOL  := $(GO) tool -modfile=tools.mod

.PHONY: demo build test havoc test-cluster test-stores test-interop soak race races fuzz lint gen fresh console check bench bench-sip bpf tools deb try-deb test-api breaking publish-schema

demo: ## the main job: a switch with calls, on loopback
	$(GO) run ./cmd/tollbook demo

build:
	$(GO) build -o tollbook ./cmd/tollbook

tools: ## what the tests use beside Go, where it can be installed
	@deploy/ci/tools.sh

test: tools ## every test, once
	$(GO) test -count=1 -timeout 8m ./...

soak: ## the tests of random histories, for hours
	$(GO) test -count=1 -timeout 4h -rapid.checks=200000 ./events/state ./events/offline ./events/call
	$(GO) test -count=1 -timeout 4h -rapid.checks=2000 -run 'Commute|Survive' ./projections/history
	TOLLBOOK_SOAK=500 $(GO) test -count=1 -timeout 4h -run TheSameBook ./events/book
	TOLLBOOK_ROWS=1000000 $(GO) test -count=1 -timeout 4h -run LargeSheet ./events/sheet

test-cluster: tools ## three nodes in network namespaces: what their deaths cost; prints JSON. Needs root
	TOLLBOOK_CLUSTER=1 $(GO) test -count=1 -timeout 20m -v -run TestCluster ./cmd/tollbook

havoc: tools ## three nodes under every fault, SEEDS of 45 s each from SEED on. Needs root
	TOLLBOOK_CLUSTER=1 TOLLBOOK_HAVOC=$(or $(SEEDS),10) TOLLBOOK_SEED=$(or $(SEED),1) $(GO) test -count=1 -timeout 60m -v -run TestHavoc ./cmd/tollbook

test-stores: tools ## copies in ClickHouse and EventStoreDB; TOLLBOOK_TEST_CLICKHOUSE and TOLLBOOK_TEST_EVENTSTORE name real servers
	$(GO) test -count=1 -timeout 10m -v -run . ./projections/sinks ./projections/mirror ./projections/stores
	$(GO) test -count=1 -timeout 10m -v -run TestStores ./cmd/tollbook
	lib=$$(deploy/ci/chdb.sh); [ -z "$$lib" ] || TOLLBOOK_TEST_CHDB=$$lib $(GO) test -count=1 -timeout 10m -v ./projections/sinks
	lib=$$(deploy/ci/chdb.sh); [ -z "$$lib" ] || TOLLBOOK_TEST_CHDB=$$lib $(GO) test -count=1 -timeout 10m -v -run TestStoresClickHouse ./cmd/tollbook

test-interop: build tools ## other makers' programs against ours
	deploy/interop/run.sh ./tollbook

test-api: ## the examples of docs/api.md, with curl and a client from npm
	$(GO) test -count=1 -v -run 'TestExamples|TestExternalClient' ./graphql/server

breaking: ## the schema breaks no client of the published one; says so where npm has no registry
	@deploy/api/run.sh breaking || [ $$? = 77 ]

publish-schema: ## promise the schema as it is: with a release, and a reason for whatever breaks
	cat schema/graphql/*.graphqls > schema/published.graphql

race: tools ## every test under the race detector
	$(GO) test -race -count=1 -timeout 20m ./...

races: ## ten thousand made-up calls in simulated time; SEEDS=n for others
	TOLLBOOK_SEEDS=$(or $(SEEDS),10000) $(GO) test -count=1 -timeout 20m ./sip/b2bua -run TestRaces

fuzz: ## all that reads media and signalling off the wire; FUZZTIME=3m each
	deploy/ci/fuzz.sh $(or $(FUZZTIME),1m)

lint:
	$(TOOL) golangci-lint run ./...
	cd schema && $(GO) tool -modfile=../tools.mod buf lint

gen: ## protobuf, GraphQL
	cd schema && $(GO) tool -modfile=../tools.mod buf generate
	cd graphql && $(GO) tool gqlgen generate && rm -f resolve/resolver.go

fresh: gen ## generated code is what is committed
	git diff --exit-code -- events/wire graphql/gen graphql/model

bpf: ## the fast path's program, with clang 14
	deploy/ci/bpf.sh
	cd media/fastpath/bpf && sha256sum relay.c relay.o > relay.sum

console: ## the web console's bundle
	cd graphql/console && npm ci && npm run build

check: lint fresh race ## all that CI could ask

bench: ## microbenchmarks
	$(GO) test -run '^$$' -bench . -benchtime 1s ./events/... ./projections/... ./media/...

bench-sip: ## CPU of a billed call, with sipp, beside Kamailio
	$(GO) run ./cmd/tollbook bench sip

deb: ## the Debian package, in build/deb
	deploy/package/build.sh

try-deb: deb ## unpacks it and starts the program from there
	deploy/package/try.sh
