# Every target builds what it needs; a fresh machine has to have git, make and python3 with venv.

PYTHON ?= python3
SESSIONS :=
ARGS :=
UPGRADE :=

# Modules that decide what happens to a file or a secret: every branch of them is tested, always.
DECIDERS := \
	core/client/delivery.py \
	core/client/flood_memory.py \
	core/client/judge_failure.py \
	core/client/judge_file.py \
	core/client/judge_health.py \
	core/fleet/judge.py \
	core/fleet/proxy.py \
	core/fleet/roster.py \
	core/monitoring/doctor/judge_fleet.py \
	core/monitoring/doctor/judge_machine.py \
	core/session_files/plan.py \
	$(wildcard core/session_files/database/*.py) \
	core/session_files/verdicts.py \
	core/state/status_document.py \
	core/session_files/upkeep/plan.py \
	core/session_files/backups/rotation.py \
	gpt/breaker.py \
	gpt/budget/decide.py \
	gpt/gate/formula.py \
	gpt/gate/queue.py \
	gpt/request_key.py \
	gpt/wire/answers.py \
	gpt/wire/calls.py \
	gpt/wire/hints.py \
	gpt/wire/sdk_errors.py \
	utils/redact.py

# The tests that take every branch of them. Only these are measured: it doubles what a test costs. Two try thousands of
# chance cases, and no branch is theirs alone.
BY_CHANCE := tests/deciders/test_plan_properties.py tests/deciders/test_salvage_damage.py
JUDGES := $(filter-out $(BY_CHANCE),$(wildcard tests/deciders/test_*.py)) tests/client/deciders \
	tests/monitoring/test_doctor_judges.py tests/settings \
	tests/fleet/test_judge.py tests/fleet/test_roster.py tests/fleet/test_handlers.py tests/state/test_status_document.py \
	tests/gpt/budget/test_decide.py tests/gpt/budget/test_ledgers.py tests/gpt/gate/test_formula.py \
	tests/gpt/gate/test_gate.py tests/gpt/gate/test_queue.py tests/gpt/test_answers.py tests/gpt/test_breaker.py \
	tests/gpt/test_calls.py tests/gpt/test_failures.py tests/gpt/test_helper.py tests/gpt/test_hints.py \
	tests/gpt/test_odd_streams.py tests/gpt/test_request_key.py tests/gpt/test_wire.py

# Four rows of tests run at a time: the judges, and then those that ask; those that kill; those that wait for clocks and
# servers; all others.
KILLED := tests/crash tests/client
ASKED := tests/gpt tests/openai_server tests/benchmarks
WAITING := tests/fleet tests/leases tests/state tests/commands/test_run.py

PROOFS := tests/crash tests/client/test_killed_clients.py tests/fleet/test_leaks.py tests/leases/test_redis_property.py

SAMPLE := build/sample-fleet
SAMPLE_STATE := build/sample-state
NEEDS_A_PERSON := 3

BIN := .venv/bin
# What the environment was made from stands as a checksum in the names of its stamps. Another interpreter behind $(PYTHON)
# makes it anew; other pins are installed over what is there, beside the packages that handlers brought along.
INTERPRETER := $(shell { $(PYTHON) -c 'import sys; print(sys.base_prefix, sys.version)'; } 2> /dev/null)
checksum = $(shell { echo "$(subst ",,$(INTERPRETER))"; cat /dev/null $(1); } | cksum | cut -d' ' -f1)
MADE := .venv/made-$(call checksum)
RUN_READY := .venv/ready-to-run-$(call checksum,requirements/base.txt)
TEST_READY := .venv/ready-to-test-$(call checksum,requirements/base.txt requirements/dev.txt)
PIP_INSTALL := $(BIN)/python -m pip --disable-pip-version-check --quiet install --use-pep517 --require-hashes

PIN := --no-config --quiet pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command 'make pins' $(UPGRADE) --output-file

empty :=
comma := ,
with_commas = $(subst $(empty) $(empty),$(comma),$(strip $(1)))
MEASURED := $(BIN)/coverage run --include=$(call with_commas,$(DECIDERS))
UNMEASURED := $(BIN)/python -m pytest $(addprefix --ignore=,$(JUDGES))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test lint proof bench docs pins clean check-python

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1@\2/p' $(MAKEFILE_LIST) | \
		while IFS=@ read -r target line; do printf '%-14s %s\n' "$$target" "$$line"; done

# Shows a command as it can be typed again and runs it. "A person is needed" is no failure of make: it is said at the end.
define STEPS
needed=no; \
step() { \
	printf '\n$$ %s\n' "$$($(BIN)/python -c 'import shlex, sys; print(shlex.join(sys.argv[1:]))' "$$@")"; \
	"$$@" || { code=$$?; [ $$code -eq $(NEEDS_A_PERSON) ] || exit $$code; needed=yes; }; \
}
endef
define LAST_WORDS
[ $$needed = no ] || printf '\n%s\n' "A person is needed (exit code $(NEEDS_A_PERSON) of cleanup_sessions.py): what is damaged, failed or unknown above was left as it is. All else is done."
endef

run: export SESSIONS := $(SESSIONS)
run: $(RUN_READY) ## mend and report SESSIONS=folder (ARGS=-n only shows it); without it, a sample fleet with really crashed files
ifneq ($(strip $(SESSIONS)),)
	@$(STEPS); \
	if [ -e "$$SESSIONS" ]; then set -- "$$SESSIONS"; else set -- $$SESSIONS; fi; \
	step $(BIN)/python cleanup_sessions.py files $(ARGS) "$$@"; \
	step $(BIN)/python monitor_system.py report "$$@"; \
	$(LAST_WORDS)
else
	@rm -rf $(SAMPLE) $(SAMPLE_STATE) && mkdir -p build
	@$(STEPS); \
	sample="env GAVAT_STATE=$(SAMPLE_STATE) $(BIN)/python"; \
	step $$sample cleanup_sessions.py demo $(SAMPLE); \
	step $$sample cleanup_sessions.py -n $(SAMPLE); \
	step $$sample cleanup_sessions.py $(SAMPLE); \
	step $$sample monitor_system.py report $(SAMPLE); \
	$(LAST_WORDS)
endif

test: lint ## lint, every test, and full branch coverage of the deciders
	@ls $(DECIDERS) > /dev/null
	@mkdir -p build/coverage
	$(BIN)/coverage erase
ifeq ($(strip $(ARGS)),)
	@echo "the judges and $(ASKED), $(KILLED), and $(WAITING), beside all other tests"
	@{ code=0; $(MEASURED) -m pytest $(JUDGES) > build/judges.log 2>&1 || code=$$?; \
		$(UNMEASURED) $(ASKED) > build/asked.log 2>&1 || code=$$?; exit $$code; } & judging=$$!; \
	$(UNMEASURED) $(KILLED) > build/killed.log 2>&1 & killing=$$!; \
	$(UNMEASURED) $(WAITING) > build/waiting.log 2>&1 & waiting=$$!; code=0; \
	$(UNMEASURED) $(addprefix --ignore=,$(KILLED) $(WAITING) $(ASKED)) || code=$$?; \
	wait $$killing || code=$$?; cat build/killed.log; wait $$waiting || code=$$?; cat build/waiting.log; \
	wait $$judging || code=$$?; cat build/judges.log build/asked.log; \
	exit $$code
else
	$(MEASURED) -m pytest $(ARGS)
endif
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=100

lint: $(TEST_READY) ## ruff, mypy strict, and the arrows between the rooms
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

proof: $(TEST_READY) ## the kill tests at full count; writes docs/proof.md
	GAVAT_TEST_SCALE=full $(BIN)/python -m pytest $(PROOFS) --timeout=0 $(ARGS)

bench: $(TEST_READY) ## every figure beside its peer and its limit
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(RUN_READY) ## write docs/findings from the list of findings
	$(BIN)/python -m core.commands.finding_pages docs/findings

pins: check-python ## compile requirements/ from pyproject.toml again; UPGRADE=--upgrade takes newer versions
	@test -x build/pins/bin/uv || { $(PYTHON) -m venv build/pins && build/pins/bin/pip --quiet install uv; }
	build/pins/bin/uv $(PIN) requirements/base.txt pyproject.toml
	build/pins/bin/uv $(PIN) requirements/dev.txt pyproject.toml --extra dev --constraint requirements/base.txt

clean: ## remove the environment, the sample fleet and all caches
	rm -rf .venv build .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

check-python:
	@{ $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; } 2> /dev/null || { \
		echo "gavatcore needs Python 3.11 or newer, but $(PYTHON) is $$({ $(PYTHON) --version || echo missing; } 2> /dev/null); name another: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
		echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(MADE): | check-python
	@echo "making .venv ..." >&2
	@$(PYTHON) -m venv --clear .venv
	@touch $@

$(RUN_READY): | $(MADE)
	@echo "adding requirements/base.txt to .venv ..." >&2
	@$(PIP_INSTALL) -r requirements/base.txt
	@touch $@

$(TEST_READY): | $(RUN_READY)
	@echo "adding requirements/dev.txt to .venv ..." >&2
	@$(PIP_INSTALL) -r requirements/dev.txt
	@touch $@
