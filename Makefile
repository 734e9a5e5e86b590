PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: run test test-drafting lint web check-bundle lock clean

run: $(VENV)/.installed
	$(BIN)/python app.py --port 7860

# Two runs at once, a core each, that take about as long: the browser's tests wait more than they compute.
test: $(VENV)/.installed-dev lint
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
		($(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq chromium)
	@[ -f assets/web/node_modules/axe-core/axe.min.js ] || ! command -v npm >/dev/null || (cd assets/web && npm ci --silent)
	export OMP_NUM_THREADS=1; \
	$(BIN)/python -m pytest tests/browser >$(VENV)/browser.log 2>&1 & browser=$$!; \
	$(BIN)/python -m pytest --ignore=tests/browser; rest=$$?; \
	wait $$browser; tests=$$?; cat $(VENV)/browser.log; exit $$((rest ? rest : tests))

# What needs no torch, whose build for another Python is large and may not be at hand.
test-drafting: $(VENV)/.installed-without-torch
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest \
		$$(grep -rLE '^(from|import) (app|drafting\.__main__|model|torch)\b' --include='test_*.py' tests/drafting)
	$(BIN)/python -m compileall -q app.py drafting model

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@if command -v npm >/dev/null; then \
		[ -x assets/web/node_modules/.bin/eslint ] || (cd assets/web && npm ci --silent) && cd assets/web && npm run --silent lint; \
	else echo "npm is not installed: the browser's sources are not linted."; fi

# The browser bundle is committed; this builds it again from assets/web/src.
web:
	cd assets/web && npm ci && npm run build && npm test

check-bundle:
	@before=$$(mktemp -d) && cp -r assets/web/dist/. $$before && \
		(cd assets/web && npm ci --silent && npm run --silent build) && \
		if diff -rq $$before assets/web/dist; then echo "assets/web/dist is what assets/web/src builds."; \
		else echo "assets/web/dist was not built from assets/web/src: run 'make web' and commit it."; exit 1; fi

# Every package with its checksums, from requirements.txt and requirements-dev.txt. Needs uv.
# torch and the CUDA packages that it brings are left out: their files differ between builds for a CPU and for CUDA, and
# the package index of each build has checksums of its own. requirements.txt pins torch's version.
lock:
	for name in requirements requirements-dev; do \
		uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
			--no-emit-index-url --no-emit-find-links $$name.txt | \
		awk '/^[a-z]/ { kept = !/^(torch|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)==/ } kept' >$$name.lock || exit 1; \
	done

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The second line of each adds torch, whose dependencies are there by then.
$(VENV)/.installed: requirements.txt requirements.lock $(VENV)/bin/python
	$(PIP) --no-deps --require-hashes -r requirements.lock
	$(PIP) -r requirements.txt
	touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements-dev.lock $(VENV)/.installed
	$(PIP) --no-deps --require-hashes -r requirements-dev.lock
	$(PIP) -r requirements-dev.txt
	touch $@

# Most of what is installed here is never imported, so nothing is compiled ahead.
$(VENV)/.installed-without-torch: requirements-dev.lock $(VENV)/bin/python
	$(PIP) --no-compile --no-deps --require-hashes -r requirements-dev.lock
	touch $@

clean:
	rm -rf $(VENV)
