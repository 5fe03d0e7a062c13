# What people type. `make` alone lists it.

.DEFAULT_GOAL := help
SHELL := /bin/bash
# The C library goes into the binary too: it runs in an empty image.
host := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
static := RUSTFLAGS="-C target-feature=+crt-static" cargo build --locked --target $(host)

.PHONY: help demo build dist test soak lint format bench

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## the demo, here, without a cluster
	cargo run --locked -- run -f examples/demo

build: ## the static binary: target/<host>/release/kubesup
	$(static) --release

dist: ## the same, smaller and slower to build: target/<host>/dist/kubesup
	$(static) --profile dist

test: ## every test; builds Kubernetes' control plane once, into a cache outside the checkout
	@tests/kubernetes/toolchain.sh
	KUBESUP_TEST_ASSETS="$$(tests/kubernetes/build.sh)" && export KUBESUP_TEST_ASSETS && cargo test --locked

soak: ## the long forms of the tests: ten minutes, hundreds of rounds, larger models
	@tests/kubernetes/toolchain.sh
	KUBESUP_TEST_ASSETS="$$(tests/kubernetes/build.sh)" && export KUBESUP_TEST_ASSETS && \
	KUBESUP_SOAK=1 cargo test --locked --release

lint: ## formatting and lints, warnings denied
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

format: ## formats the code
	cargo fmt

bench: ## measures against the budgets and prints the table of docs/performance.md
	@tests/kubernetes/toolchain.sh
	$(static) --release
	KUBESUP_TEST_ASSETS="$$(tests/kubernetes/build.sh)" && export KUBESUP_TEST_ASSETS && \
	KUBESUP_BINARY="$(CURDIR)/target/$(host)/release/kubesup" cargo bench --locked --bench budgets
