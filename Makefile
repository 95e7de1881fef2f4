# `make help` explains everything. Only Python 3.11 or newer, make and git are needed.
PYTHON ?= python3
STORE ?= local
SIZE ?= full
SEED ?= 7
BIN := .venv/bin
export PYTHONDONTWRITEBYTECODE :=
export DO_NOT_TRACK := 1

.DEFAULT_GOAL := help

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: demo
demo: .venv/$(if $(filter s3,$(STORE)),dev,demo)  ## two models, two months of real flights: trained, replayed, monitored (STORE=s3: over S3)
	@$(BIN)/python -m demo.run --store $(STORE)

.PHONY: demo-clean
demo-clean:  ## forget the demo: its store, its Airflow databases, its logs
	rm -rf .demo

.PHONY: ui
ui: .venv/$(if $(filter s3,$(STORE)),dev,demo)  ## Airflow on the demo's store, on loopback; Ctrl-C stops it
	@$(BIN)/python -m demo.ui --store $(STORE)

.PHONY: serve
serve: .venv/demo  ## the demo's reports and /metrics without Airflow, on loopback
	@$(BIN)/model-monitor --store .demo/store serve

.PHONY: test
test: .venv/dev  ## install what the tests need and run them, in two processes
	@$(BIN)/python -m tests.parallel

.PHONY: lint
lint: .venv/dev  ## style, types, compose file, Dockerfile, generated documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	bash deploy/check.sh
	$(BIN)/python docs/generate.py --check

.PHONY: bench
bench: .venv/dev  ## time, memory and accuracy beside the limit and beside Evidently (SIZE=small: quick, SEED=: other data)
	@$(BIN)/python -m benchmarks --size $(SIZE) --seed $(SEED)

.PHONY: bench-capture
bench-capture: .venv/dev  ## reading captures beside DuckDB, S3 objects at once, a 2 GB object, late records, the writer
	@$(BIN)/python -m benchmarks.capture

.PHONY: bench-labels
bench-labels: .venv/dev  ## labels that come late to 30 million predictions, beside reading all ids, and DuckDB (8 GB in .bench)
	@$(BIN)/python -m benchmarks.labels

.PHONY: bench-verdicts
bench-verdicts: .venv/dev  ## false alarms, power and delay of verdicts on streams that are known, beside Evidently and NannyML (MONTHS=: fewer)
	@$(BIN)/python -m benchmarks.verdicts $(if $(MONTHS),--months $(MONTHS))

.PHONY: bench-peers
bench-peers: .venv/dev  ## the same rows through five other tools; installs 5 GB into .bench (SIZE=, SEED=)
	@$(BIN)/python -m benchmarks.peers --size $(SIZE) --seed $(SEED)

.PHONY: fuzz
fuzz: .venv/dev  ## look for inputs that break a reader (five minutes); installs Atheris into .bench/fuzz
	@test -x .bench/fuzz/bin/python || $(BIN)/python -m venv .bench/fuzz
	@$(BIN)/uv pip install --quiet --python .bench/fuzz/bin/python atheris==3.0.0
	@PYTHONPATH=.:$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') .bench/fuzz/bin/python tests/fuzz/fuzz_readers.py .bench/fuzz/corpus -max_total_time=300 -max_len=4096 -timeout=20 -artifact_prefix=.bench/fuzz/

.PHONY: docs
docs: .venv/dev  ## write the generated parts of the documentation
	$(BIN)/python docs/generate.py

.PHONY: env
env:  ## fresh secrets for docker compose, in .env
	@$(PYTHON) deploy/make_env.py

.PHONY: lock
lock: .venv/dev  ## resolve the dependencies anew into requirements/
	@bash requirements/lock.sh $(BIN)/uv

# One stamp per set of dependencies; the larger set holds the smaller one.
.venv/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 14); sys.exit(None if ok else "model-monitor needs Python 3.11 to 3.13, this is " + sys.version.split()[0] + "; name another: make PYTHON=python3.12 ...")'
	@echo "Installing (the first time takes a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

.venv/demo: .venv/uv requirements/demo.txt pyproject.toml
	@test .venv/dev -nt requirements/dev.txt || $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/demo.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

.venv/dev: .venv/uv requirements/dev.txt pyproject.toml
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@
