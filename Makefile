PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: run test web lint clean

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

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@if command -v npm >/dev/null; then \
		[ -x assets/web/node_modules/.bin/eslint ] || (cd assets/web && npm ci --silent) && cd assets/web && npm run --silent lint; \
	else echo "npm is not installed: the browser's sources are not linted."; fi

# The browser bundle is committed; this makes it anew from assets/web/src.
web:
	cd assets/web && npm ci && npm run build && npm test

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV)
