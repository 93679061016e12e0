# Everything sets itself up: on a fresh machine with Python 3.11, `make demo` or `make test` is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Named with its exact version in every pip command, so that no other build of torch is pulled in.
TORCH := $(shell grep '^torch==' constraints.txt)
INSTALLED := $(VENV)/.installed

.PHONY: install yolo extras demo gallery test faults fuzz check docs dist wheel picture bench gpu clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "worldprobe needs Python 3.11 or later: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $(TORCH) hatchling editables
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation $(TORCH) --editable '.[dev]'
	touch $(INSTALLED)

# Ultralytics (AGPL-3.0) for the tests of yolo: alone, without the torchvision that it asks for; nothing else needs it.
yolo: install
	$(BIN)/python -m pip install --quiet --no-deps ultralytics==8.4.190

# Clusters, clouds, object storage, recordings and robots, for the tests of them: 1.1 GB, which nothing else needs.
extras: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation $(TORCH) --editable '.[dev,ray,modal,rerun,robots,s3]' 'moto[server]'

demo: install
	$(BIN)/worldprobe demo --out runs/demo

# The runs of docs/gallery that are not in runs/gallery yet, then every page of it and docs/findings.md: half an hour
# the first time, about a minute after that. Films and a detector are read from the folder WORLDPROBE_DATA.
gallery: install
	$(BIN)/python -m recipes.gallery

# Two files at a time, each on one core: as fast as two cores are, and no test waits for another's threads.
# Long files come first (tests/conftest.py), which an order by numbers of tests would undo.
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Every fault of the longer tests: kills, full disks, lost workers.
faults: extras
	$(BIN)/python -m pytest -m slow -s tests/faults tests/execute/test_ray.py tests/decoders/test_decoder_training.py

# Hostile inputs by the ten thousand.
fuzz: install
	WORLDPROBE_FUZZ=10000 $(BIN)/python -m pytest -s tests/faults/test_hostile.py tests/faults/test_hostile_labels.py

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/mkdocs build --strict --quiet

# The documentation as a site, in site/; a link that leads nowhere is an error.
docs: install
	$(BIN)/mkdocs build --strict --quiet

# dist/worldprobe-*.whl, which holds weights and templates (pip install dist/*.whl && worldprobe demo), and the sources beside
# it. The same sources give the same bytes, whenever and wherever they are built.
dist: install
	$(BIN)/python -m hatchling build --directory dist

wheel: install
	$(BIN)/python -m hatchling build --target wheel --directory dist

# docs/modules.svg, from the contracts in pyproject.toml.
picture: install
	$(BIN)/python -m recipes.draw_modules

bench: install
	$(BIN)/python benchmarks/probes.py --repeats 1 --rows 4000 --logistic-rows 800
	$(BIN)/python -m benchmarks.many_targets
	$(BIN)/python -m benchmarks.robot
	$(BIN)/python -m benchmarks.wide --rows 2000 --columns 1024,16384
	$(BIN)/python -m benchmarks.large
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.growth --clips 500,10000
	$(BIN)/python -m benchmarks.encode --clips 3 --repeats 1
	$(BIN)/python -m benchmarks.limit --repeats 3
	$(BIN)/python -m benchmarks.reading --repeats 1
	$(BIN)/python -m benchmarks.small --repeats 2
	$(BIN)/python -m benchmarks.end_to_end --samples 20 --every 5

# What needs an NVIDIA GPU: the tests of tests/gpu, then benchmarks/gpu.py, six minutes at most.
gpu: install
	$(BIN)/python -m pytest tests/gpu -p no:cacheprovider
	$(BIN)/python -m benchmarks.gpu --out benchmarks/results

clean:
	rm -rf $(VENV) runs build dist site
