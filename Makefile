# make demo and make test need nothing but Python 3.11 or later: each sets up .venv by itself.
# .venv/ready is what they depend on; it is renewed when pyproject.toml changes.
# make test-all also runs the tests marked heavy: TVM joins .venv, TensorFlow has a venv of its own.

PYTHON ?= python3
BIN := .venv/bin
TENSORFLOW := .venv-tensorflow
PYTEST := $(BIN)/pytest -n auto --dist worksteal
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-all lint format types imports pytest bench simulations browser clean

demo: .venv/ready
	$(BIN)/tailmark demo

test: lint types imports pytest

test-all: export TAILMARK_TENSORFLOW_PYTHON ?= $(CURDIR)/$(TENSORFLOW)/bin/python
test-all: lint types imports .venv/heavy $(TENSORFLOW)/ready browser
	$(PYTEST) -m ""

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy

imports: .venv/ready
	$(BIN)/lint-imports

pytest: .venv/ready browser
	$(PYTEST)

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/ready
	$(BIN)/pip install --quiet -e ".[loadgen]" faster-coco-eval hotcoco polygraphy
	for script in harness_overhead issue_rate lateness time_to_summary quality_every_deadline \
			average_precision f1_and_ndcg round_bootstrap poisson_binomial loadgen_import start_up \
			differential_overhead first_divergence; do \
		$(BIN)/python benchmarks/$$script.py || exit 1; done

simulations: .venv/ready
	for script in extremes_coverage stopping_validity tail_error interval_coverage \
			differential_false_alarms; do \
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
	$(BIN)/python -m pip install --quiet --no-deps onnx2torch  # the torchvision it asks for fits no CPU build of torch
	@touch $@

.venv/heavy: .venv/ready
	$(BIN)/python -m pip install --quiet -e ".[tvm]"
	@touch $@

$(TENSORFLOW)/ready:
	$(PYTHON) -m venv $(TENSORFLOW)
	$(TENSORFLOW)/bin/python -m pip install --quiet tensorflow-cpu tf2onnx
	@touch $@

clean:
	rm -rf .venv $(TENSORFLOW) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
