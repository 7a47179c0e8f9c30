# Filmjacket: every verb of daily work. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: demo test up down clean-data status check bench schemas format help packages-% environment

# uv of this machine, else one of our own.
UV := $(shell command -v uv || echo .tools/bin/uv)
UV_VERSION := 0.13.9
RUN := .venv/bin

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'
	@echo "  FJ_HOME (default .filmjacket) and FJ_PORT_OFFSET (0 to 12000) let two stacks run side by side."

demo: packages-demo environment ## install what is missing, start everything, play exams from order to delivered report
	@$(RUN)/filmjacket demo

up: packages-up environment ## start everything, until every service is ready
	@$(RUN)/filmjacket up

down: environment ## stop everything; data stays
	@$(RUN)/filmjacket down

clean-data: environment ## stop everything and delete its data
	@$(RUN)/filmjacket clean-data

status: environment ## one line per process: running, ready, memory, lag, dead letters, address
	@$(RUN)/filmjacket status

test: packages-test environment ## all tests, each service's in an environment of its own (ONLY="shared order": some)
	@UV=$(UV) $(RUN)/python -m fj_testing.suite $(ONLY)

bench: packages-bench environment ## every promised figure, measured: one table (ONLY="intake latency": some rows)
	@$(RUN)/python -m fj_bench $(ONLY)

check: environment ## format, lint, types, import rules, schemas, migrations, locks, manifests
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy .
	$(RUN)/lint-imports
	@stale=$$($(RUN)/python -m fj_events.schemas); if [ -n "$$stale" ]; then echo "schemas were stale, commit them:"; echo "$$stale"; exit 1; fi
	@twice=$$(ls services/*/src/*/migrations/*.sql libs/*/src/*/migrations/*.sql decisions/*.md */*/decisions/*.md | sed -E 's|_[^/]*$$||; s|(decisions/[0-9]+)-.*|\1|' | sort | uniq -d); if [ -n "$$twice" ]; then echo "migrations or decisions that have one number:"; echo "$$twice"; exit 1; fi
	$(UV) lock --check
	if [ -d k8s ]; then find k8s -name '*.yaml' ! -name kustomization.yaml -print0 | xargs -0 $(RUN)/kubernetes-validate --strict --quiet; fi

schemas: environment ## write the contracts of all events: JSON Schemas and the AsyncAPI document
	$(RUN)/python -m fj_events.schemas

format: environment ## format, and mend what can be mended
	$(RUN)/ruff format .
	$(RUN)/ruff check --fix .

packages-%:
	@sh deploy/local/packages.sh $*

environment: $(filter .tools/bin/uv,$(UV))
	@$(UV) sync --frozen --all-packages --quiet

.tools/bin/uv: | packages-up
	@python3 -m venv .tools
	@.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
