# The only entry point. `make run` and `make test` need Python 3.11, make and the package registries.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PROTOS := $(shell find protos/parley -name '*.proto' | sort)
VENDORED := buf/validate/validate.proto
OUT ?= generated
# What `make lint` compares the protos with: the last release, before the first one the last commit.
BREAKING_BASE ?= $(shell git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || git rev-parse --quiet --verify HEAD~1)
# Flags of `make run`, tests of `make test`.
ARGS ?=
TESTS ?= tests

.DEFAULT_GOAL := help
.PHONY: help install voice generate check-generate format lint check-breaking typecheck test test-faults audit bench run ci clean

help: ## Show what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamp is as new as the lock it was installed from, so a second `make run` starts in seconds.
$(VENV)/.installed: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed; if it has another name: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing from requirements.lock (about half a minute, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

install: $(VENV)/.installed ## Create .venv from the lock

# The lock holds only what the extra adds to requirements.lock. To make it anew, with uv:
#   uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra voice \
#     -c requirements.lock $$(sed -n 's/^\([A-Za-z0-9._-]*\)==.*/--no-emit-package \1/p' requirements.lock) \
#     pyproject.toml -o requirements-voice.lock
$(VENV)/.voice: requirements-voice.lock $(VENV)/.installed
	@echo "installing from requirements-voice.lock (about half a minute and 430 MB, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-voice.lock
	@$(BIN)/python -m pip check --disable-pip-version-check
	@touch $@

voice: $(VENV)/.voice ## Add what voice sessions need to .venv

generate: install ## Regenerate Python code and descriptors from the protos
	@rm -rf $(OUT)/parley $(OUT)/buf && mkdir -p $(OUT)
	@$(BIN)/python -m grpc_tools.protoc -I protos -I protos/vendor \
	  --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
	  --python_out=$(OUT) --grpc_python_out=$(OUT) --mypy_out=quiet:$(OUT) --mypy_grpc_out=quiet,only_async:$(OUT) \
	  $(PROTOS:protos/%=%)
	@$(BIN)/python -m grpc_tools.protoc -I protos/vendor --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy \
	  --python_out=$(OUT) --mypy_out=quiet:$(OUT) $(VENDORED)
	@$(BIN)/buf build -o $(OUT)/descriptors.binpb
	@touch $(OUT)/parley/py.typed $(OUT)/buf/py.typed

check-generate: install ## Fail if generated/ is not what the protos say
	@rm -rf .generated-check && $(MAKE) --no-print-directory generate OUT=.generated-check
	@diff -r --exclude=__pycache__ generated .generated-check; differs=$$?; rm -rf .generated-check; \
	  if [ $$differs = 0 ]; then echo "generated/ is current"; else echo "run make generate and commit" >&2; exit 1; fi

format: install ## Format Python and protos, and mend what lint can mend
	@$(BIN)/ruff check --quiet --fix-only . ; $(BIN)/ruff format .
	@$(BIN)/buf format --write

lint: install ## Check style, protos and the import rule
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/buf lint
	@$(BIN)/buf format --diff --exit-code
	@$(MAKE) --no-print-directory check-breaking
	@$(BIN)/lint-imports --no-logo

check-breaking: install ## Fail if the protos break callers of BREAKING_BASE
	@if [ -n '$(BREAKING_BASE)' ] && git cat-file -e '$(BREAKING_BASE):buf.yaml' 2>/dev/null; then \
	  base=$$(mktemp -d) && trap 'rm -rf "$$base"' EXIT && \
	  git archive '$(BREAKING_BASE)' buf.yaml protos | tar -x -C "$$base" && \
	  $(BIN)/buf breaking --against "$$base" && echo "the protos break nothing of $(BREAKING_BASE)"; \
	else echo "no earlier protos to compare with: breaking changes not checked"; fi

typecheck: install ## Check types (mypy, strict)
	@$(BIN)/mypy

# Tests start programs from processes in which gRPC runs; its fork handlers have no place in those.
test: install ## Run every test; TESTS=path for some
	@GRPC_ENABLE_FORK_SUPPORT=0 $(BIN)/pytest -n auto --maxprocesses 8 --dist worksteal $(TESTS)

test-faults: install ## Kill, pause and break real server processes at every step; takes about an hour
	@GRPC_ENABLE_FORK_SUPPORT=0 $(BIN)/pytest -n 2 --dist worksteal -m '' tests/faults

audit: install ## Ask for known vulnerabilities of everything in the locks
	@$(BIN)/python -m tests.architecture.audit

bench: install ## Print the figures of DESIGN.md 10 as ratios within one run
	@$(BIN)/python -m tests.bench

run: install ## Start the service; ARGS="--http 127.0.0.1:9000" passes flags on
	@exec $(BIN)/parley serve $(ARGS)

ci: lint typecheck check-generate test ## Everything that must pass before a change lands

clean: ## Remove what make made; data in .parley stays
	@rm -rf $(VENV) .generated-check .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
