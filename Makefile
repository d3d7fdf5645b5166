# make demo   draw images, train a generator for a minute, score it beside a trained one, write runs/demo/
# make test   all tests, WORKERS=2 processes at once        make lint   format, lint and types
# make soak   kills, damage, shortage, junk: what differs from an undisturbed run, MINUTES=5 (docs/reliability.md)
# make docs   the pages of docs/ as a site in build/docs, warnings are errors
# make bench  speed beside the peers, as ratios     make gpu   the tests and the speeds that want a GPU
# make package   the folder for Kaggle, with wheels       make notebooks   kernels/ run on it again
# make publish   what would be sent to Kaggle; make publish GO=--go sends it (CONTRIBUTING.md)
# make release   wheel and sdist in dist/release, checked; make release GO=--go uploads them (CONTRIBUTING.md)
# Each sets up its own virtual environment in .venv first. FDD_DATA chooses where images are cached.
# INSTALL="uv pip install --python .venv" installs with uv, which is faster and heeds no settings of pip.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
MINUTES ?= 5
RUN = $(VENV)/bin/python
INSTALL ?= $(RUN) -m pip install

.PHONY: setup demo compiled test soak lint format docs bench gpu wheels package notebooks publish release

setup: $(VENV)/.all

# the environment, with the extra that the stamp is named after
$(VENV)/.%: pyproject.toml setup.cfg constraints.txt
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --quiet --upgrade --constraint constraints.txt pip
	$(INSTALL) --quiet --constraint constraints.txt --editable '.[$*]'
	touch $@

demo: $(VENV)/.benchmarks
	$(VENV)/bin/fdd preview --split test --out runs/demo-preview.png
	rm -rf runs/demo
	$(VENV)/bin/fdd train emulator --preset mini --steps 500 --out runs/demo
	cd runs && $(abspath $(VENV))/bin/fdd report demo mini-emulator --quick --out demo/report

compiled: setup
	$(RUN) tests/compile_all.py

# a file's tests share what they render and train, so they stay in one process; the slow ones first
test: compiled
	$(RUN) -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

soak: setup
	$(RUN) -m tests.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

lint: setup
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

format: setup
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

docs: setup
	$(RUN) -m sphinx --fail-on-warning --keep-going --quiet docs build/docs

bench: setup
	$(RUN) -m pytest benchmarks/speed/bench_*.py --benchmark-columns=min,median,rounds

gpu: setup
	$(RUN) -m pytest -k "on_a_gpu or on_cuda"
	$(RUN) -m pytest benchmarks/speed/bench_*.py -k "cuda or gpu" --benchmark-columns=min,median,rounds

# files bear the time of the commit, so that they are the same every time
wheels release: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)

# fdd itself, and what its baselines need and Kaggle's machines lack
wheels: setup
	rm -rf build dist/wheels
	$(RUN) -m pip wheel --quiet --no-deps --wheel-dir dist/wheels .
	$(RUN) -m pip download --quiet --no-deps --dest dist/wheels --constraint constraints.txt \
		pytorch-msssim

package: wheels
	$(VENV)/bin/fdd package --out dist/package --wheels dist/wheels
	$(VENV)/bin/fdd package --check dist/package

notebooks: package
	$(RUN) kernels/build.py --package dist/package

publish: package
	$(RUN) kernels/publish.py all --package dist/package $(GO)

release: setup
	rm -rf build dist/release
	$(RUN) -m build --quiet --no-isolation --outdir dist/release
	$(RUN) -m twine check --strict dist/release/*
ifdef GO
	$(RUN) -m twine upload --non-interactive --disable-progress-bar dist/release/*
else
	@echo "Nothing was sent. make release GO=--go uploads dist/release with twine."
endif
