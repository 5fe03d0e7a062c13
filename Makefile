# What people type. `make` alone lists it.

.DEFAULT_GOAL := help
SHELL := /bin/bash
# The C library goes into the binary too: it runs in an empty image. Where the sources are is no part of the binary.
host := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
cargo_home := $(or $(CARGO_HOME),$(HOME)/.cargo)
static := RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=$(cargo_home)=/cargo --remap-path-prefix=$(CURDIR)=/src" cargo
# What relocates the binary at its start is a tenth as long so; the linker has to be of 2022 or later, as the C library.
program := rustc --locked --target $(host) --bin kubesup
packed := -- -C link-arg=-Wl,-z,pack-relative-relocs

.PHONY: help demo build dist demo-program image test test-versions test-node test-node-rollout soak lint format bench

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## the demo, here, without a cluster
	cargo run --locked -- run -f examples/demo

build: ## the static binary: target/<host>/release/kubesup
	$(static) $(program) --release $(packed)

dist: ## the same, smaller and slower to build: target/<host>/dist/kubesup
	$(static) $(program) --profile dist $(packed)

demo-program: ## the demo's program, static: target/<host>/release/examples/demo
	$(static) build --locked --target $(host) --release --example demo

image: build demo-program ## OCI archives of kubesup and of the demo, and the SBOM, in target/image; no daemon
	image/make.sh target/$(host)/release target/image

test: ## every test; builds Kubernetes' control plane once, into a cache outside the checkout
	@tests/kubernetes/toolchain.sh
	KUBESUP_TEST_ASSETS="$$(tests/kubernetes/build.sh)" && export KUBESUP_TEST_ASSETS && \
	KUBECTL="$$(tests/kubernetes/kubectl.sh)" && export KUBECTL && HELM="$$(tests/kubernetes/helm.sh)" && export HELM && cargo test --locked

test-versions: ## the tests against a real API server once with the oldest Kubernetes that is supported, once with the newest
	@tests/kubernetes/toolchain.sh
	unset KUBEBUILDER_ASSETS && KUBECTL="$$(tests/kubernetes/kubectl.sh)" && export KUBECTL && HELM="$$(tests/kubernetes/helm.sh)" && export HELM && for version in 1.34 ""; do \
	  KUBESUP_TEST_ASSETS="$$(KUBESUP_TEST_KUBERNETES=$$version tests/kubernetes/build.sh)" && export KUBESUP_TEST_ASSETS && \
	  "$$KUBESUP_TEST_ASSETS/kube-apiserver" --version && cargo test --locked --test capabilities || exit 1; \
	done

test-node: build demo-program ## the tests on a real node (containerd, kubelet, kube-proxy); root, installs with apt-get what is missing
	@tests/kubernetes/toolchain.sh
	tests/node/run.sh target/$(host)/release

test-node-rollout: build demo-program ## ten rolling updates under load on the node, after a change of the drain
	@tests/kubernetes/toolchain.sh
	ROLLOUT_ALONE=1 tests/node/run.sh target/$(host)/release tests/node/rollout.sh 10

soak: ## the long forms of the tests: ten minutes, hundreds of rounds, larger models
	@tests/kubernetes/toolchain.sh
	KUBESUP_TEST_ASSETS="$$(tests/kubernetes/build.sh)" && export KUBESUP_TEST_ASSETS && \
	KUBESUP_SOAK=1 cargo test --locked --release

lint: ## formatting and lints, warnings denied
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

format: ## formats the code
	cargo fmt

bench: build ## measures against the budgets and prints the table of docs/performance.md
	@tests/kubernetes/toolchain.sh
	KUBESUP_TEST_ASSETS="$$(tests/kubernetes/build.sh)" && export KUBESUP_TEST_ASSETS && \
	inits="$$(tests/programs.sh tini dumb-init)" && export PATH="$$inits:$$PATH" && \
	KUBESUP_BINARY="$(CURDIR)/target/$(host)/release/kubesup" cargo bench --locked --bench budgets
