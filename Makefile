# make demo and make test need nothing but Python 3.11 or later: each sets up .venv by itself.
# .venv/ready is what they depend on; it is renewed when pyproject.toml changes.

PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-all lint format types imports pytest bench simulations browser clean

demo: .venv/ready
	$(BIN)/tailmark demo

test: lint types imports pytest

test-all: test

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy

imports: .venv/ready
	$(BIN)/lint-imports

pytest: .venv/ready browser
	$(BIN)/pytest -n auto --dist worksteal

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/ready
	$(BIN)/pip install --quiet -e ".[loadgen]" faster-coco-eval hotcoco
	for script in harness_overhead issue_rate lateness time_to_summary quality_every_deadline \
			average_precision f1_and_ndcg round_bootstrap poisson_binomial loadgen_import start_up; do \
		$(BIN)/python benchmarks/$$script.py || exit 1; done

simulations: .venv/ready
	for script in extremes_coverage stopping_validity tail_error interval_coverage; do \
		$(BIN)/python benchmarks/$$script.py || exit 1; done

# The report's tests drive the system's own Chromium; without one they skip, and in CI they fail.
browser:
	@command -v chromium >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
		else echo "no chromium: the browser tests will be skipped"; fi; }

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
