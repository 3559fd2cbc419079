# Two commands: `make app` opens the dashboard, `make test` runs the tests.
# Both install what is needed into .venv the first time.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: app test lint screenshots sample-index clean

app: $(VENV)/.installed
	MALLOC_ARENA_MAX=2 $(BIN)/streamlit run streamlit_app.py

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

sample-index: $(VENV)/.installed
	$(BIN)/python -m dff index build assets/photos --out sample_index --descriptors dff_tree,dff_pooled,rmac,gem,mac,spoc,crow,cam

screenshots: $(VENV)/.installed-dev
	$(BIN)/python scripts/screenshots.py

$(VENV)/.installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "DFF needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV)
