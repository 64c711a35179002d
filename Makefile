# Everything a person or CI runs. `make` alone lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# No news of its use and no traces are sent to anybody.
STUDIO_QUIET := LANGGRAPH_CLI_NO_ANALYTICS=1 LANGGRAPH_NO_VERSION_CHECK=true LANGSMITH_TRACING=false
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help setup dev demo up test every-test test-long check chaos studio test-studio test-external eval-crm eval-oracle eval-injection bench replay-check endurance sharing notebooks lab docs lock audit sbom clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

# Where the tests' packages are wanted, too, all are installed at once: their lock holds the runtime's.
LOCK := requirements.lock
dev: LOCK := requirements-dev.lock
# Of what tests need, most is never imported: it is compiled when it is.
dev: LAZILY := --no-compile

setup: $(VENV)/.runtime ## create .venv with the locked runtime and the colony command

dev: $(VENV)/.dev ## setup, plus what the tests and linters need

demo: setup ## one real mission of each kind, start to verified bundle
	@$(BIN)/colony demo

up: setup ## serve the API and a worker on 127.0.0.1:8080
	@$(BIN)/colony up

check: dev ## format, lint, types, import contracts (no tests)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m graph.picture --check README.md docs/architecture.md
	$(BIN)/python -m benchmarks.stored --check README.md

test: dev ## check, and every test beside it
	@$(MAKE) --no-print-directory --jobs=2 check every-test

every-test: dev
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-long: dev ## the tests that are too long for every build: sizes, growth, fairness, every saboteur of the faults
	$(BIN)/python -m pytest -n 2 --dist loadfile -m long

chaos: dev ## every fault at its full count, judged afterwards; COUNT=… FAULT=… for a part of it
	$(BIN)/python -m tests.faults --full $(if $(FAULT),--fault $(FAULT)) $(if $(COUNT),--count $(COUNT))

eval-crm: dev ## facts and visits of 180 real conversations, as whole missions
	$(BIN)/python -m benchmarks.evaluate crm

eval-oracle: dev ## 623 real questions, with and without the passage that answers them
	$(BIN)/python -m benchmarks.evaluate oracle

eval-injection: dev ## a model that obeys 510 attackers, planted in chats, documents and tool results; MOST=… for a part
	$(BIN)/python -m benchmarks.injection $(if $(MOST),--most $(MOST))

replay-check: dev ## 50 missions of every class recorded, then replayed by a process that reaches nothing; MOST=… for a part
	$(BIN)/python -m benchmarks.replay_check $(if $(MOST),--most $(MOST))

endurance: dev ## 180 missions by one worker: its memory and its connections
	$(BIN)/python -m benchmarks.endurance

sharing: dev ## one tenant beside another's backlog of 500, one worker against two, recovery from kill -9
	$(BIN)/python -m benchmarks.sharing

studio: $(VENV)-studio/.done ## Colony's graph in LangGraph's own server on 127.0.0.1:2024, for Studio; what it is asked stays here
	@$(STUDIO_QUIET) $(VENV)-studio/bin/langgraph dev --no-browser --no-reload

test-studio: dev $(VENV)-studio/.done ## a mission in LangGraph's own server, to its interrupt and on
	@$(STUDIO_QUIET) LANGGRAPH=$(CURDIR)/$(VENV)-studio/bin/langgraph $(BIN)/python -m pytest -n0 tests/external/test_studio.py

test-external: dev ## what needs node besides: the provider clients against aimock, LangGraph's JavaScript clients and the page against Colony
	@npm ci --prefix tests/clients/js --no-audit --no-fund --loglevel=error
	@npm ci --prefix clients/typescript --no-audit --no-fund --loglevel=error
	@npm run --silent --prefix clients/typescript check && npm run --silent --prefix clients/typescript build
	@node=$$(mktemp -d); trap 'rm -rf "$$node"' EXIT; \
	  npm install --prefix "$$node" --no-audit --no-fund --loglevel=error @copilotkit/aimock@1.43.0 && \
	  AIMOCK="$$node/node_modules/.bin/llmock" LANGGRAPH="$(CURDIR)/$(VENV)-studio/bin/langgraph" $(BIN)/python -m pytest tests/external

bench: dev ## the short benchmarks: scheduler, throughput, sharing, recovery; in a few minutes, beside the last figures
	$(BIN)/python -m benchmarks.bench

notebooks: dev ## run every notebook top to bottom on a service of their own; what they showed is in build/notebooks
	$(BIN)/python -m tests.notebooks

lab: $(VENV)/.lab ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab --notebook-dir notebooks

docs: setup ## draw the pictures in the docs from the code
	$(BIN)/python -m graph.picture README.md docs/architecture.md
	$(BIN)/python -m benchmarks.stored README.md

lock: ## resolve the lock files anew (needs uv on the PATH)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --custom-compile-command 'make lock' --extra build pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --custom-compile-command 'make lock' --extra build --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --custom-compile-command 'make lock' --group audit -o requirements-audit.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --custom-compile-command 'make lock' --group lab -c requirements-dev.lock -o requirements-lab.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --custom-compile-command 'make lock' --extra build --group studio pyproject.toml -o requirements-studio.lock

audit: $(VENV)-audit/.done ## known vulnerabilities of every locked package (asks the public advisory database)
	$(VENV)-audit/bin/python -m pip_audit --require-hashes --disable-pip --progress-spinner off -r requirements.lock

sbom: $(VENV)-audit/.done ## dist/colony.cdx.json: what Colony is made of, with hashes (CycloneDX)
	@mkdir -p dist
	$(VENV)-audit/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --mc-type application \
	  --output-reproducible --of JSON -o dist/colony.cdx.json

clean: ## remove the virtual environment and caches (never your data)
	rm -rf $(VENV) $(VENV)-audit $(VENV)-studio .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Colony needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing the locked packages (once)"
	@$(PIP) install $(LAZILY) --require-hashes -r $(LOCK) && cp $(LOCK) $(VENV)/.installed
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.lab: requirements-lab.lock $(VENV)/.dev
	@echo "installing the locked JupyterLab (once)"
	@$(PIP) install --require-hashes -r requirements-lab.lock
	@touch $@

$(VENV)-audit/.done: requirements-audit.lock
	@$(PYTHON) -m venv $(VENV)-audit
	@$(VENV)-audit/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-audit.lock
	@touch $@

$(VENV)-studio/.done: requirements-studio.lock pyproject.toml
	@$(PYTHON) -m venv $(VENV)-studio
	@$(VENV)-studio/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-studio.lock
	@$(VENV)-studio/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@cmp -s requirements-dev.lock $(VENV)/.installed || { echo "installing the locked test packages (once)" && \
	  $(PIP) install $(LAZILY) --require-hashes -r requirements-dev.lock && cp requirements-dev.lock $(VENV)/.installed; }
	@$(PIP) install --no-deps --no-build-isolation --editable clients/python
	@touch $@
