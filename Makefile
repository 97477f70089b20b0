# Two commands from a fresh clone: `make demo` and `make test`. Each makes .venv itself (uv if present, else venv and pip).
# Without bytecode on disk every start would measure the compiler.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test lint types contracts unit faults soak bench bench-serving bench-lock docs lock clean

demo: .venv/.demo
	$(BIN)/graphship demo

test: lint types contracts unit

lint: .venv/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/zizmor --offline --no-progress --quiet --persona pedantic .github

types: .venv/.test
	$(BIN)/mypy

contracts: .venv/.test
	$(BIN)/lint-imports

unit: .venv/.test tests/npm/.installed
	$(BIN)/pytest -n 2 -m "not slow and not cluster and not network"

# The last lines of both tell their figures, which `bench/RESULTS.md` keeps: inputs, requests, lost, dropped, growth.
faults: .venv/.test tests/npm/.installed
	$(BIN)/pytest -m "faults"

soak: .venv/.test
	$(BIN)/pytest -m "soak"

bench: .venv/.test
	$(BIN)/python -m bench

# Installs the other servers into a folder of their own first: see bench/serving/README.md.
bench-serving: .venv/.test
	$(BIN)/python -m bench serving --peers --json bench-serving.json

bench-lock:
	for peer in bench/serving/peers/requirements/*.in; do \
	  uv pip compile --quiet --upgrade --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
	    "$$peer" -o "$${peer%.in}.txt" || exit 1; done

docs: .venv/.test
	$(BIN)/python docs/generate.py

# Names, versions and hashes only: no addresses of package indexes.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
lock:
	$(LOCK) pyproject.toml requirements/build.in --all-extras --group test -o requirements/test.txt
	$(LOCK) pyproject.toml requirements/build.in --extra demo -c requirements/test.txt -o requirements/demo.txt

.venv/.demo: requirements/demo.txt
	@sh requirements/install.sh "$(PYTHON)" demo

.venv/.test: requirements/test.txt
	@sh requirements/install.sh "$(PYTHON)" test
	@touch .venv/.demo

# The stand-in for GitHub and GitHub's own description of its interface: once, 30 MB to fetch.
tests/npm/.installed: .venv/.test tests/npm/package-lock.json tests/servers/openapi.py
	$(BIN)/python -m tests.servers.npm
	$(BIN)/python -m tests.servers.openapi
	@touch $@

clean:
	rm -rf .venv graphship-demo tests/npm/node_modules tests/npm/openapi tests/npm/.installed
