# make help tells what there is to make.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV2 := build/venv2
VENV3 := build/venv3
PY2 := $(VENV2)/bin/python
PY3 := $(VENV3)/bin/python
PIP := -m pip --disable-pip-version-check install --quiet --no-warn-script-location
GUESTS := build/guests
VERSION := $(shell sed -n "s/^__version__ = '\(.*\)'/\1/p" guestkit/__init__.py)
ENGINE_SOURCES := $(shell find hyper toolchain -name '*.py' -o -name '*.ini' -o -name '*.[ch]') translate.py
ENGINES := untranslated,O2,templates,jit,jit-eager
TESTS := hyper translator corpus guestkit
DIST := hyper-$(VERSION)-linux-x86_64

.PHONY: all setup native guests demo linux test test-fast $(TESTS:%=test-%) oracle fuzz fuzz-hypercalls memtest bench bench-domains bench-peers bench-linux dist clean help

all: demo                       ## sets up, translates, builds the guests and runs the demonstration

setup: $(VENV2)/.ready $(VENV3)/.ready  ## the environments of Python 2.7 and 3 in build/, made once

# -- the two Pythons

build/.host: toolchain/check-host
	@toolchain/check-host
	@mkdir -p build && touch $@

$(VENV3)/.ready: requirements/python3.txt pyproject.toml toolchain/find-python build/.host
	@python=$$(toolchain/find-python 3) && echo "setting up $(VENV3) with $$python" && rm -rf $(VENV3) && "$$python" -m venv $(VENV3)
	@$(PY3) $(PIP) -r requirements/python3.txt
	@$(PY3) $(PIP) --no-build-isolation -e .
	@touch $@

# Python 2.7 has no venv of its own, and its virtualenv of today does not run on it: an older one on Python 3 makes the environment.
build/virtualenv/.ready: requirements/virtualenv.txt toolchain/find-python
	@python=$$(toolchain/find-python 3) && rm -rf build/virtualenv && "$$python" -m venv build/virtualenv
	@build/virtualenv/bin/python $(PIP) -r requirements/virtualenv.txt
	@touch $@

$(VENV2)/.ready: requirements/python2.txt requirements/rpython.txt toolchain/find-python build/.host | build/virtualenv/.ready
	@python=$$(toolchain/find-python 2) && echo "setting up $(VENV2) with $$python" && rm -rf $(VENV2) && \
	    build/virtualenv/bin/python -m virtualenv --quiet --no-download --python "$$python" $(VENV2)
	@$(PY2) -W ignore $(PIP) -r requirements/python2.txt 2> >(grep -v DEPRECATION >&2)
	@$(PY2) -W ignore $(PIP) --no-deps -r requirements/rpython.txt 2> >(grep -v DEPRECATION >&2)
	@touch $@

# -- what is translated

bin/hyper bin/libhyper.so &: $(ENGINE_SOURCES) | $(VENV2)/.ready
	@$(PY2) translate.py --opt=jit --shared --output bin/hyper
	@touch bin/hyper bin/libhyper.so

build/hyper-O2: $(ENGINE_SOURCES) | $(VENV2)/.ready
	@$(PY2) translate.py --opt=2 --output build/hyper-O2

native: build/hyper-O2          ## build/hyper-O2: the same program without the JIT, translated in a minute

guests: | build/.host           ## the guest kernels and programs, in build/guests
	@$(MAKE) -s -C guestkit/guests OUT=$(abspath $(GUESTS))

demo: bin/hyper guests          ## boots the paravirtual kernel, which runs its programs and powers off; shows a summary
	bin/hyper run $(GUESTS)/kernel-para.elf --mode para --module $(GUESTS)/archive.img --append script=/etc/demo.sh

linux: bin/libhyper.so $(VENV3)/.ready  ## boots Debian's Linux, fetched with apt, under the hypervisor; runs a script in its shell
	@$(VENV3)/bin/guestkit linux

# -- tests. Each part leaves what its runner said in build/test-PART.log. The long translation starts first, beside the rest

test: setup                     ## every test; the runners' summaries come last
	@rm -f $(TESTS:%=build/test-%.log)
	@$(MAKE) -k -j2 bin/hyper $(TESTS:%=test-%); status=$$?; echo; \
	for part in $(TESTS); do printf '%-12s' "$$part:"; tail -n 1 build/test-$$part.log 2>/dev/null || echo 'not run'; done; exit $$status

test-fast: test-hyper           ## the untranslated tests, under two minutes

test-hyper: $(VENV2)/.ready     ## the machine and the hypervisor, untranslated
	@$(PY2) -m pytest -q -p no:cacheprovider tests/hyper 2>&1 | tee build/$@.log

test-translator: $(VENV2)/.ready        ## RPython's wrong optimisation and the fix of it
	@$(PY2) -m pytest -q -p no:cacheprovider tests/translator 2>&1 | tee build/$@.log

test-corpus: bin/hyper build/hyper-O2   ## the corpus of guest programs: untranslated, -O2 and JIT must agree
	@$(PY2) -m pytest -q -p no:cacheprovider tests/corpus --engines=$(ENGINES) 2>&1 | tee build/$@.log

test-guestkit: bin/libhyper.so guests $(VENV3)/.ready   ## guestkit and whole guests on the native engine
	@$(PY3) -m pytest -q -p no:cacheprovider tests/guestkit 2>&1 | tee build/$@.log

# -- longer checks than those of make test

COUNT := 1000000
INSTRUCTIONS := 10000000
CALLS := 10000000
SEED := 1

oracle: bin/libhyper.so $(VENV3)/.ready         ## random snippets of each kind, a million, compared with the host's processor; COUNT=, SEED=
	@$(PY3) -m tests.oracle --count $(COUNT) --seed $(SEED)

fuzz: bin/libhyper.so $(VENV3)/.ready           ## random code in every mode, ten million instructions, and garbage for every device; INSTRUCTIONS=, SEED=
	@$(PY3) -m tests.fuzz --instructions $(INSTRUCTIONS) --seed $(SEED)
	@$(PY3) -m tests.fuzz.devices --seed $(SEED)

fuzz-hypercalls: bin/libhyper.so $(VENV3)/.ready        ## ten million random hypercalls, all counts of frames checked again and again; CALLS=, SEED=
	@$(PY3) -m tests.fuzz.hypercalls --calls $(CALLS) --seed $(SEED)

memtest: bin/hyper $(VENV3)/.ready              ## a whole pass of Debian's memtest86+, some minutes
	@WHOLE_PASS=1 $(PY3) -m pytest -q -p no:cacheprovider tests/guestkit/test_debian.py -k whole_pass

# -- measuring and packing

bench: bin/libhyper.so build/hyper-O2 guests $(VENV3)/.ready   ## what each way to run the kernel costs: tables, build/bench.json, a plot
	@$(VENV3)/bin/guestkit bench

bench-domains: bin/libhyper.so guests $(VENV3)/.ready   ## up to 128 domains that compute, shares by weight, 500 small ones; build/bench-domains.json, a plot
	@$(VENV3)/bin/guestkit bench --domains

bench-peers: bin/libhyper.so guests $(VENV3)/.ready     ## the CPU workloads beside QEMU, where it is installed; build/bench-peers.json
	@$(VENV3)/bin/guestkit bench --peers

bench-linux: bin/libhyper.so $(VENV3)/.ready    ## Debian's Linux to its shell and work in it, beside QEMU; build/bench-linux.json
	@$(VENV3)/bin/guestkit bench --linux

dist: bin/hyper guests          ## dist/hyper-VERSION-linux-x86_64.tar.gz: programs, guestkit, guests, documents
	@rm -rf dist/$(DIST) && mkdir -p dist/$(DIST)/bin dist/$(DIST)/$(GUESTS)
	@cp -r guestkit pyproject.toml README.md LICENSE docs dist/$(DIST)/
	@cp bin/hyper dist/$(DIST)/bin/ && cp bin/libhyper.so dist/$(DIST)/guestkit/ && ln -s ../guestkit/libhyper.so dist/$(DIST)/bin/
	@cp $(GUESTS)/*.elf $(GUESTS)/*.xen $(GUESTS)/*.img dist/$(DIST)/$(GUESTS)/
	@find dist/$(DIST) -name __pycache__ -prune -exec rm -rf {} +
	@tar -C dist -czf dist/$(DIST).tar.gz $(DIST) && rm -rf dist/$(DIST)
	@echo made dist/$(DIST).tar.gz

clean:                          ## removes all that was made, the environments too
	rm -rf build bin dist guestkit.egg-info

help:                           ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1\t/p' Makefile | awk -F '\t' '{ printf "make %-18s %s\n", $$1 == "all" ? "" : $$1, $$2 }'
