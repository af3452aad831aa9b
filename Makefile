# `make` lists the targets. Each installs what it needs; only Python 3.11+ must be there.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
LOCAL := $(VENV)/.local-installed
DEV := $(VENV)/.dev-installed
MUTATION := .local/mutation/.installed
SCAN := .local/scan/.installed
INSTALL := $(BIN)/pip --disable-pip-version-check install --quiet
PIP := $(INSTALL) --require-hashes
CLIENT := $(INSTALL) --no-deps --no-build-isolation --editable client

# Optional arguments of the targets: `make demo FILE=my.mov`, `make up DIRECTUS=real`.
FILE ?=
JOB ?=
NAME ?=
DIRECTUS ?= standin
MINUTES ?= 10
JOBS ?= 50000
SEED ?= 0
ALONE ?=
STAGE ?= dev
SET ?=
DEBUG ?=
BASE ?=
# By themselves: the kernel counts the memory of a media process from that of the process that started it.
SECURITY_TESTS := tests/security
# The longest first: a file runs in one process, and none should be left at the end.
SYSTEM_TESTS := tests/chaos tests/integration/faults tests/integration/test_lambda.py tests/docs tests/integration/test_path.py tests/deployed tests/integration tests/contract tests/browser

.PHONY: help
help:  ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(LOCAL)  ## process one clip with the whole system (FILE=my.mov for your own)
	@$(PY) -m infra.local demo --directus $(DIRECTUS) $(if $(FILE),--file "$(FILE)")

.PHONY: up
up: $(LOCAL) $(if $(filter real,$(DIRECTUS)),$(DEV))  ## start the whole system (DIRECTUS=real for the real Directus)
	@$(PY) -m infra.local up --directus $(DIRECTUS)

.PHONY: down
down: $(LOCAL)  ## stop the system
	@$(PY) -m infra.local down

.PHONY: worker
worker: $(DEV)  ## replace the worker of the running system by one in this terminal (DEBUG=1 for pdb)
	@$(PY) -m infra.local worker $(if $(DEBUG),--debug)

.PHONY: cancel
cancel: $(LOCAL)  ## cancel a job of the running system (JOB=<record id>)
	@$(PY) -m infra.local cancel $(if $(JOB),$(JOB),$(error say which: make cancel JOB=<id>))

.PHONY: test
test: $(DEV)  ## lint and run all tests (TEST=tests/unit/ledger runs some of them)
	@mkdir -p .local
ifdef TEST
	@$(PY) -m pytest $(TEST) -q -n $(if $(findstring ::,$(TEST)),0,2) --dist loadfile
else
	@$(PY) -m infra.local.directus.installation > .local/directus-install.log 2>&1 & installing=$$!; \
	$(MAKE) --no-print-directory lint || exit 1; \
	$(PY) -m pytest $(SECURITY_TESTS) -q -n 2 -m "not slow" || exit 1; \
	$(PY) -m pytest tests/unit -q -n 2 --dist loadfile -m "not slow" || exit 1; \
	wait $$installing || { cat .local/directus-install.log; exit 1; }; \
	$(PY) -m pytest $(SYSTEM_TESTS) -q -n 4 --dist loadfile --no-loadscope-reorder -m "not slow"
endif

.PHONY: lint
lint: $(DEV)  ## check style, types, imports, layout and templates
	@mkdir -p .local
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PYTHONPATH=.:client $(BIN)/lint-imports --no-logo > .local/imports.log 2>&1 || { cat .local/imports.log; exit 1; }
	@$(PY) -m infra.check_layout
	@if [ -x $(BIN)/hadolint ]; then $(BIN)/hadolint workers/Dockerfile; fi
	@$(BIN)/cfn-lint infra/queues.json infra/cloud/resources/foundation.json
	@$(MAKE) --no-print-directory scan

.PHONY: scan
scan: $(DEV) $(SCAN)  ## look for policy violations in the template (part of lint)
	@$(PY) -m infra.cloud package > .local/package.log 2>&1 || { cat .local/package.log; exit 1; }
	@.local/scan/bin/checkov --file .local/package/template.json --framework cloudformation --skip-download --quiet --compact > .local/scan.log 2>&1 || { cat .local/scan.log; exit 1; }

.PHONY: verify
verify: $(DEV)  ## run all tests with long outages, all hostile files, 2 GB inputs and many examples (about an hour)
	@$(PY) -m infra.local.directus.installation
	@MEDIAQ_CORPUS=all $(PY) -m pytest $(SECURITY_TESTS) -q -n 2 --timeout 1800
	@MEDIAQ_OUTAGE_SECONDS=30 MEDIAQ_EXAMPLES=2000 MEDIAQ_INPUT_MB=2048 MEDIAQ_CHAOS_SECONDS=60 MEDIAQ_SCHEMA_EXAMPLES=1000 $(PY) -m pytest tests -q -n 2 --dist loadfile --timeout 1800 --ignore $(SECURITY_TESTS) --ignore tests/image

.PHONY: image
image: $(DEV)  ## build the worker image without Docker and test its containers (root; BASE=... for another base)
	@BASE="$(BASE)" $(PY) -m pytest tests/image -q -n 0 --timeout 1200

.PHONY: coverage
coverage: $(DEV)  ## run all tests of `make test` and print the branch coverage, subprocesses included
	@rm -rf .local/coverage && mkdir -p .local/coverage
	@$(PY) -m coverage run -m pytest tests/unit $(SECURITY_TESTS) $(SYSTEM_TESTS) -q -n 2 --dist loadfile -m "not slow" --timeout 900 || true
	@$(PY) -m coverage combine -q
	@$(PY) -m coverage report --ignore-errors --include "chalicelib/*,workers/*,client/*,app.py"

.PHONY: mutants
mutants: $(DEV) $(MUTATION)  ## run mutation tests of the protocol's Python and Lua code (NAME=lease for one)
	@$(PY) -m tests.mutants $(NAME)

.PHONY: docs
docs: $(DEV)  ## build the documentation website in .local/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --config-file mkdocs.yml
	@echo "open .local/site/index.html"

.PHONY: package
package: $(DEV)  ## write the CloudFormation template and the API's zip to .local/package
	@$(PY) -m infra.cloud package

.PHONY: release
release: $(DEV)  ## write the client's wheel, the template and the API's zip, with checksums, to .local/release
	@rm -rf .local/release && mkdir -p .local/release
	@$(BIN)/pip --disable-pip-version-check wheel --quiet --no-deps --no-build-isolation --wheel-dir .local/release ./client
	@$(PY) -m infra.cloud package
	@cp .local/package/template.json .local/package/api.zip .local/release/
	@cd .local/release && sha256sum * > SHA256SUMS && cat SHA256SUMS

.PHONY: deploy
deploy: $(DEV)  ## deploy a stage to AWS (STAGE=prod SET="WorkerImage=... DirectusUrl=...")
	@$(PY) -m infra.cloud deploy $(STAGE) $(foreach pair,$(SET),--set $(pair))

.PHONY: chaos
chaos: $(DEV)  ## inject faults into the whole system (MINUTES=30 SEED=7; ALONE=1: one fault at a time)
	@$(PY) -m tests.chaos --minutes $(MINUTES) --seed $(SEED) $(if $(ALONE),--alone)

.PHONY: bench
bench: $(DEV)  ## print the figures and draw the charts (NAME=thumbnails for one benchmark)
	@$(PY) -m bench $(NAME)

.PHONY: soak
soak: $(DEV)  ## run very many jobs that do nothing, with workers killed on the way (JOBS=1000000)
	@$(PY) -m bench.soak --jobs $(JOBS)

.PHONY: screenshots
screenshots: $(DEV)  ## take the screenshots of the dashboard (8 minutes)
	@$(PY) -m infra.local.screenshots

.PHONY: format
format: $(DEV)  ## format the code
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

.PHONY: lock
lock: $(DEV)  ## resolve the dependency groups and write the lock files
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	  --group pyproject.toml:scan -o requirements/scan.lock
	@for group in worker local dev peers mutation; do \
	  $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	    requirements.txt --group pyproject.toml:$$group -o requirements/$$group.lock || exit 1; done; \
	for target in api image; do \
	  if [ $$target = image ]; then group="--group pyproject.toml:image"; else group=; fi; \
	  grep -v '^chalice' requirements.txt | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	    --no-header --constraint requirements/local.lock $$group - -o requirements/$$target.lock || exit 1; done

.PHONY: setup
setup: $(DEV)  ## install the development tools and the git hooks
	@if [ -d .git ]; then $(BIN)/pre-commit install > /dev/null; fi

.PHONY: clean
clean:  ## delete what the targets created in this folder
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

$(SCAN): requirements/scan.lock
	@echo "installing the scanner of the template (once)"
	@mkdir -p .local && $(PYTHON) -m venv .local/scan
	@.local/scan/bin/pip --disable-pip-version-check install --quiet --require-hashes -r requirements/scan.lock
	@touch $@

$(MUTATION): requirements/mutation.lock
	@$(PYTHON) -m venv .local/mutation
	@.local/mutation/bin/pip --disable-pip-version-check install --quiet --require-hashes -r requirements/mutation.lock
	@touch $@
