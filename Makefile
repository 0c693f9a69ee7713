# Two commands for a new user: `make demo` and `make lab`. One for a developer: `make test`.
PYTHON ?= python3
BIN := .venv/bin
RECORDINGS ?= $(or $(CONTRACTDESK_DATA),../shared/data)
SPEED ?= 1
LAB := hatch_build.py $(wildcard extensions/lab/package*.json extensions/lab/src/* extensions/lab/style/* extensions/lab/schema/*) contractdesk/panels/static/theme.css

.PHONY: demo lab test mutants soak soak-hours faults kills lint accept bench bench-replay bench-sweep soak-console soak-memory lessons pictures screenshot browser clean

.venv/.installed: pyproject.toml $(LAB)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/.installed-test: .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

# Binance's own SDK cannot share an environment with our pins: it trades on the loopback exchange from its own.
.venv-sdk/.installed:
	@test -x .venv-sdk/bin/python || $(PYTHON) -m venv .venv-sdk
	.venv-sdk/bin/python -m pip install --quiet --disable-pip-version-check 'binance-sdk-derivatives-trading-usds-futures<18'
	@touch $@

demo: .venv/.installed
	$(BIN)/contractdesk demo --recordings $(RECORDINGS) --speed $(SPEED)

lab: .venv/.installed
	$(BIN)/contractdesk lab

test: .venv/.installed-test .venv-sdk/.installed
	$(BIN)/python -m pytest
	$(BIN)/python -m pytest -m browser -n 0 tests/e2e

# The laws of the risk rules and of the simulated desk, asked whether they would notice: longer than a suite
# that runs at each change.
mutants: .venv/.installed-test
	$(BIN)/python -m pytest -m mutants

# The whole live desk against the exchange in virtual time, a seed after the other, on all cores.
SEEDS ?= 2000
FIRST ?= 1
soak: .venv/.installed-test
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) --first $(FIRST)

# One story of so many hours with every fault at random: memory, tasks, sockets and files stay bounded.
HOURS ?= 2
soak-hours: .venv/.installed-test
	$(BIN)/python -m tests.simulation --hours $(HOURS) --first $(FIRST)

# The fault matrix: every row injected by the exchange and judged by its state; ROWS="1 7" for some of them.
ROWS ?=
faults: .venv/.installed-test
	$(BIN)/python -m tests.faults $(ROWS)

lint: .venv/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

accept: .venv/.installed-test
	$(BIN)/python benchmarks/accept.py

bench: .venv/.installed-test
	$(BIN)/python benchmarks/depth.py

# Peers get environments of their own under ~/.cache; half an hour the first time.
bench-replay: .venv/.installed-test
	$(BIN)/python benchmarks/replay.py

bench-sweep: .venv/.installed-test
	$(BIN)/python benchmarks/sweep.py

# SIGKILL of real kernels that hold positions, N times, at every boundary of an order's life: an hour for 200.
N ?= 200
SEED ?= 1
kills: .venv/.installed-test
	$(BIN)/python benchmarks/kills.py --cycles $(N) --seed $(SEED)

# What a reader of the repository sees of the lessons: their outputs.
lessons: .venv/.installed-test
	$(BIN)/python -m tests.notebooks.keep

pictures: .venv/.installed-test
	$(BIN)/python -m tests.e2e.lessons

# The console in a browser, before a recorded market for 20 minutes: needs chromium and the recordings.
MINUTES ?= 20
soak-console: .venv/.installed-test
	$(BIN)/python benchmarks/console.py --minutes $(MINUTES)

# What the console costs a browser that nobody watches.
soak-memory: .venv/.installed-test
	$(BIN)/python benchmarks/memory.py --minutes $(MINUTES)

# The console, wide and narrow, and each panel alone, light and dark; the README's picture is the first of them.
SCREENS ?= docs/screens
screenshot: .venv/.installed-test
	$(BIN)/python -m tests.e2e.screenshot $(SCREENS) --readme docs/console.png

# The browser tests need Debian's chromium; without it they are skipped, and say so.
browser:
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium; }

clean:
	rm -rf .venv .venv-sdk .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	rm -rf extensions/lab/node_modules extensions/lab/lib extensions/lab/labextension extensions/lab/.srchash
