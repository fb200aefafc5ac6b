# Every target sets itself up in .venv from nothing; python3 (3.11 or newer) with venv is all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOWEST := .venv-lowest
LOWEST_TESTS := $(addprefix tests/,wire log cluster metastore groups config cli/test_pure.py cli/test_command_line.py cli/test_topic.py cli/test_produce_consume.py)
export KAFKA_VERSION ?= 4.3.1
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help run test lowest lint bench interop demo demo-cluster demo-kappa soak dist lock clean

help:  ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(VENV)/.installed: requirements.lock requirements-demo.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps --use-pep517 -r requirements-demo.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q src  # So that the first start is as quick as any.
	@touch $@

run: $(VENV)/.installed  ## start one broker on 127.0.0.1:9092 with its data in ./data
	@exec $(BIN)/odradek start --data-dir data

lint: $(VENV)/.installed  ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint  ## lint, then every test
	$(BIN)/pytest -n auto --dist loadfile

$(LOWEST)/.installed: requirements.lock requirements-lowest.lock
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-lowest.lock
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lowest: $(LOWEST)/.installed  ## the quick tests with the lowest versions of what is imported
	$(LOWEST)/bin/pytest -q -n auto --dist loadfile $(LOWEST_TESTS)

bench: $(VENV)/.installed  ## beside Apache Kafka and the physical limit, into docs/benchmarks.md (FULL=1: 6.8 GB restarted)
	@$(BIN)/python -m bench --output docs $(if $(FULL),--data-gb 6.8) $(BENCH_OPTIONS)

interop: $(VENV)/.installed  ## Kafka's own tools, Java and Go clients against a broker; checks docs/interop.md
	@$(BIN)/python -m interop $(ARGS)

demo: $(VENV)/.installed  ## the flights of 2013 through the log, read by two groups, proven complete
	@$(BIN)/odradek demo

demo-cluster: $(VENV)/.installed  ## the same through three brokers, of which one is killed, one added, one drained and removed
	@$(BIN)/odradek demo --cluster

demo-kappa: $(VENV)/.installed  ## a week of flights into views: live, replayed and as a batch, compared (FULL=1: the year)
	@$(BIN)/odradek demo --kappa $(if $(FULL),--full)

soak: $(VENV)/.installed  ## longer sweeps: seeds, kills, fuzz (MINUTES=10)
	$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),10)

dist: $(VENV)/.installed  ## build the wheel and the source archive into dist/
	$(BIN)/python -m build --no-isolation

lock: $(VENV)/.installed  ## resolve the lock files again
	$(UV_COMPILE) --extra etcd --extra kappa --group dev pyproject.toml -o requirements.lock
	$(UV_COMPILE) --extra etcd --extra kappa --resolution lowest-direct pyproject.toml -o requirements-lowest.lock

clean:  ## remove what the targets made, but never ./data
	rm -rf $(VENV) $(LOWEST) dist build .mypy_cache .ruff_cache .pytest_cache
