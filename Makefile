# Two commands do all the set-up on a machine with only Python >= 3.11:
#   make figure   draws results/figures/fid_vs_cost.pdf of the pocket study
#   make test     runs the whole test suite

PYTHON ?= python3
CORES ?= all
STUDY ?= config.yaml
# where the Snakefile puts a study's results: config.yaml's in results/, others below, by their name
RESULTS = results$(if $(filter-out config.yaml,$(STUDY)),/$(basename $(notdir $(STUDY))))
DEVICE ?= a100
UTILISATION ?= 30
VENV := .venv
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# messages of libraries that say nothing about this study
export PYTHONWARNINGS ?= ignore::FutureWarning,ignore::DeprecationWarning

# One run at a time. The lock goes away with its process even on kill -9, unlike Snakemake's own,
# which would have to be removed by hand; hence --nolock. Where there is no flock, Snakemake's is used.
LOCK := $(shell command -v flock >/dev/null && echo "flock --nonblock --conflict-exit-code 75 --no-fork .snakemake/make.lock")
# By its default, 100 jobs a second, Snakemake looks for jobs once a second for every job that has
# ended: after 160 jobs that takes 40 % of a core. With 10 seconds it takes 4 %. Snakemake ends one
# span after its last job, so that a longer one would keep users waiting.
SNAKEMAKE := mkdir -p .snakemake && $(LOCK) snakemake --cores $(CORES) --rerun-incomplete \
	--max-jobs-per-timespan 10000/10s \
	$(if $(LOCK),--nolock)
BUSY = || { code=$$?; [ $$code -ne 75 ] || python -m ldm_scaling.watch.busy .snakemake/make.lock; exit $$code; }
# What jobs print is in their logs, too; hence /dev/null. Snakemake's own log is in .snakemake/log.
WATCHED := @$(SNAKEMAKE) --logger ldm-scaling
# A run of one file, or of all without one. AHEAD counts the FLOPs for the time that is left.
AHEAD = python -m ldm_scaling.plan.ahead $(1) --configfile $(STUDY)
RUN = $(WATCHED) --logger-ldm-scaling-ahead '$(AHEAD)' --configfile=$(STUDY) $(1) >/dev/null $(BUSY)
FIGURE = $(RESULTS)/figures/fid_vs_cost.pdf
OF_STUDY = $(if $(filter-out config.yaml,$(STUDY)), STUDY=$(STUDY))
# What a run ends with: the answer in three lines, if there is one, and what to type next.
ENDING = @python -m ldm_scaling.answer --configfile $(STUDY) --style brief 2>/dev/null; echo "figure: $(FIGURE)"; \
	echo "next: make answer BUDGET=1$(OF_STUDY)"; \
	echo "next: make sample PROMPT=\"a red heart\" BUDGET=1$(OF_STUDY)"; echo "next: make $(1)$(OF_STUDY)"

.PHONY: help figure all smoke answer sample report plan prefetch test lint bench lock clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

figure: $(READY) ## results/figures/fid_vs_cost.pdf of a study, the pocket study by default
	$(call RUN,$(FIGURE))
	$(call ENDING,all)

all: $(READY) ## every table and figure of a study: make all STUDY=studies/smoke.yaml
	$(call RUN)
	$(call ENDING,report)

smoke: STUDY = studies/smoke.yaml
smoke: all ## the whole chain on tiny models, in minutes; for tests

answer: $(READY) ## what to take for a budget, from results that are there: make answer BUDGET=0.05s
	@python -m ldm_scaling.answer --configfile $(STUDY) $(if $(BUDGET),--budget $(BUDGET)) \
		$(if $(QUALITY),--quality $(QUALITY)) $(if $(MEMORY),--memory $(MEMORY))

sample: $(READY) ## a sheet of images with the best of the models that exist: make sample PROMPT="a red heart" BUDGET=2
	@python -m ldm_scaling.answer.sample --configfile $(STUDY) --prompt "$$PROMPT" \
		$(if $(BUDGET),--budget $(BUDGET)) $(if $(OUT),--out $(OUT))

report: $(READY) ## all of a study, and report.zip with it, for a browser: make report STUDY=studies/smoke.yaml
	$(call RUN)
	$(WATCHED) --configfile=$(STUDY) --report $(RESULTS)/report.zip >/dev/null $(BUSY)
	@echo "report: $(RESULTS)/report.zip"

plan: $(READY) ## what a study would cost: make plan STUDY=studies/paper.yaml DEVICE=h100 CHANGE=training.lr=2e-4
	@python -m ldm_scaling.plan --configfile $(STUDY) $(if $(CHANGE),--change $(CHANGE)) \
		--device $(DEVICE) --utilisation $(UTILISATION)

prefetch: $(READY) ## all downloads of a study: make prefetch STUDY=studies/paper.yaml
	$(WATCHED) --configfile=$(STUDY) prefetch >/dev/null $(BUSY)

test: $(READY) ## the whole test suite
	@# in the order of tests/conftest.py; pytest-xdist would begin with the files of the most tests
	python -m pytest --numprocesses auto --no-loadscope-reorder

lint: $(READY) ## ruff, pyright, snakefmt and Snakemake's linter
	ruff check .
	ruff format --check .
	basedpyright
	snakefmt --check Snakefile rules
	snakemake --lint
	@echo "lint: clean"

bench: $(READY) ## speed against diffusers' own pipeline and example, as ratios within one run
	python tests/bench.py

lock: $(READY) ## renew requirements.txt from pyproject.toml
	pip install --quiet uv
	uv pip compile --quiet --universal --python-version 3.11 --extra dev --no-header --no-annotate \
		--upgrade pyproject.toml --output-file requirements.txt

clean: ## remove caches and the smoke study's results; other results stay
	rm -rf results/smoke .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is older than 3.11; run: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check --progress-bar off -r requirements.txt
	$(VENV)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@# pip leaves it out where PYTHONDONTWRITEBYTECODE is set; every job would start 10 s later then.
	@# Some packages bring files of other Python versions, which cannot be compiled.
	$(VENV)/bin/python -m compileall -qq -j 0 $(VENV)/lib || true
	touch $@
