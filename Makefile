# `make` lists the targets. Every one does its own set-up; Python 3.11+ is all that has to be there.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
LOCAL := $(VENV)/.local-installed
DEV := $(VENV)/.dev-installed
INSTALL := $(BIN)/pip --disable-pip-version-check install --quiet
PIP := $(INSTALL) --require-hashes
CLIENT := $(INSTALL) --no-deps --no-build-isolation --editable client

# Optional arguments of the targets: `make demo FILE=my.mov`, `make up DIRECTUS=real`.
FILE ?=
JOB ?=
NAME ?=
DIRECTUS ?= standin
MINUTES ?= 10
SEED ?= 0
ALONE ?=
STAGE ?= dev
SET ?=

.PHONY: help
help:  ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(LOCAL)  ## one clip through the whole system, and what came out (FILE=my.mov takes yours)
	@$(PY) -m infra.local demo --directus $(DIRECTUS) $(if $(FILE),--file "$(FILE)")

.PHONY: up
up: $(LOCAL) $(if $(filter real,$(DIRECTUS)),$(DEV))  ## start the whole system and leave it running (DIRECTUS=real for the real one)
	@$(PY) -m infra.local up --directus $(DIRECTUS)

.PHONY: down
down: $(LOCAL)  ## stop it
	@$(PY) -m infra.local down

.PHONY: cancel
cancel: $(LOCAL)  ## cancel a job of the running system (JOB=<id of its record>)
	@$(PY) -m infra.local cancel $(if $(JOB),$(JOB),$(error say which: make cancel JOB=<id>))

.PHONY: test
test: $(DEV)  ## lint, types and every tier of tests
	@mkdir -p .local
	@$(PY) -m infra.local.directus.server > .local/directus-install.log 2>&1 & installing=$$!; \
	$(MAKE) --no-print-directory lint || exit 1; \
	$(PY) -m pytest tests/unit tests/security -q -n 2 || exit 1; \
	wait $$installing || { cat .local/directus-install.log; exit 1; }; \
	$(PY) -m pytest tests/contract tests/integration tests/deployed tests/chaos tests/browser tests/docs -q -n 3 --dist loadfile

.PHONY: lint
lint: $(DEV)  ## ruff, mypy, hadolint and cfn-lint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@if [ -x $(BIN)/hadolint ]; then $(BIN)/hadolint workers/Dockerfile; fi
	@$(BIN)/cfn-lint infra/queues.json infra/cloud/foundation.json

.PHONY: verify
verify: $(DEV)  ## what takes longer than a coffee: long outages, every hostile file, 2 GB inputs, many examples
	@$(PY) -m infra.local.directus.server
	@MEDIAQ_OUTAGE_SECONDS=30 MEDIAQ_EXAMPLES=2000 MEDIAQ_CORPUS=all MEDIAQ_INPUT_MB=2048 MEDIAQ_CHAOS_SECONDS=60 MEDIAQ_SCHEMA_EXAMPLES=1000 $(PY) -m pytest tests -q -n 2 --dist loadfile --timeout 1800

.PHONY: package
package: $(DEV)  ## write the CloudFormation template and the API's zip to .local/package
	@$(PY) -m infra.cloud package

.PHONY: deploy
deploy: $(DEV)  ## bring a stage of an AWS account to this version (STAGE=prod SET="WorkerImage=... DirectusUrl=...")
	@$(PY) -m infra.cloud deploy $(STAGE) $(foreach pair,$(SET),--set $(pair))

.PHONY: chaos
chaos: $(DEV)  ## the whole system under fire (MINUTES=30 SEED=7; ALONE=1: each fault by itself, 20 seconds each)
	@$(PY) -m tests.chaos --minutes $(MINUTES) --seed $(SEED) $(if $(ALONE),--alone)

.PHONY: bench
bench: $(DEV)  ## print the figures, and write them to .local/bench.json (NAME=thumbnails for some)
	@$(PY) -m bench $(NAME)

.PHONY: screenshots
screenshots: $(DEV)  ## take the pictures of the dashboard anew, of a system at work (8 minutes)
	@$(PY) -m infra.local.screenshots

.PHONY: format
format: $(DEV)  ## format the code
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

.PHONY: lock
lock: $(DEV)  ## resolve the dependency groups anew
	@for group in worker local dev peers; do \
	  $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	    requirements.txt --group pyproject.toml:$$group -o requirements/$$group.lock || exit 1; done; \
	for target in api image; do \
	  if [ $$target = image ]; then group="--group pyproject.toml:image"; else group=; fi; \
	  grep -v '^chalice' requirements.txt | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	    --no-header --constraint requirements/local.lock $$group - -o requirements/$$target.lock || exit 1; done

.PHONY: setup
setup: $(DEV)  ## install everything that development needs

.PHONY: clean
clean:  ## delete what the targets made in this folder
	@if [ -x $(PY) ]; then $(PY) -m infra.local down > /dev/null 2>&1 || true; fi
	@rm -rf $(VENV) .local .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "mediaq needs Python 3.11 or later: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed: on Debian, apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1; }

$(LOCAL): requirements/local.lock client/pyproject.toml | $(PY)
	@if [ ! -f $(DEV) ] || [ $(DEV) -ot requirements/dev.lock ]; then echo "installing the local system (once)"; $(PIP) -r requirements/local.lock && $(CLIENT); fi
	@touch $@

$(DEV): requirements/dev.lock client/pyproject.toml | $(PY)
	@echo "installing the development tools (once)"
	@$(PIP) -r requirements/dev.lock
	@$(CLIENT)
	@touch $@
