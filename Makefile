# The only entry point. `make run` and `make test` need Python 3.11, make and the package registries.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PROTOS := $(shell find protos/parley -name '*.proto' | sort)
VENDORED := buf/validate/validate.proto
OUT ?= generated

.DEFAULT_GOAL := help
.PHONY: help install generate check-generate format lint typecheck test bench run ci clean

help: ## Show what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamp is as new as the lock it was installed from, so a second `make run` starts in seconds.
$(VENV)/.installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing from requirements.lock (about half a minute, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

install: $(VENV)/.installed ## Create .venv from the lock

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
	@diff -r --exclude=__pycache__ generated .generated-check && rm -rf .generated-check && echo "generated/ is current"
