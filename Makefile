# SPDX-License-Identifier: Apache-2.0
# make help lists the targets.

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
SAN     ?=
WERROR  ?=
# V=1 shows whole commands.
V       ?=
SAY      = $(if $(V),,@echo '  $@' &&)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

# ---- flags: ours first, the packager's CFLAGS CPPFLAGS LDFLAGS after -------

try = $(shell echo 'int main(void){return 0;}' | \
	$(CC) -Werror $(1) -x c - -o /dev/null 2>/dev/null && echo '$(1)')

PKG    := libsodium libcjson
MY_CPP := -D_GNU_SOURCE -I. -I$(BUILD)/gen -include lib/poison.h \
	-DPERIPLUS_SYSCONFDIR='"/etc/periplus"' \
	-DPERIPLUS_STATEDIR='"/var/lib/periplus"' \
	-DPERIPLUS_LIBEXECDIR='"$(PREFIX)/libexec/periplus"'
MY_C   := -std=c11 -g -O2 -pthread -Wall -Wextra -Wpedantic -Wshadow \
	-Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wcast-qual -Wundef -Wvla -Wformat=2 -Wconversion \
	-Wno-sign-conversion -Wimplicit-fallthrough -fPIE
MY_LD  := -pie -pthread -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed
ifneq ($(WERROR),)
MY_C   += -Werror
endif
ifneq ($(SAN),)
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
MY_C   += $(SANFLAGS)
MY_LD  += $(SANFLAGS)
else
HARDEN := $(call try,-fstack-protector-strong) \
	$(call try,-fstack-clash-protection) $(call try,-fcf-protection) \
	$(call try,-ftrivial-auto-var-init=zero)
MY_C   += $(HARDEN)
MY_CPP += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
endif

# ---- programs: directory, binary, what it links beside lib -----------------

PROGRAMS := periplus periplus-fetch periplus-reflector periplus-collector
DIR_periplus           := agent
DIR_periplus-fetch     := agent/fetch
DIR_periplus-reflector := reflector
DIR_periplus-collector := collector
PKG_periplus           := libzmq libsystemd
PKG_periplus-fetch     := libcurl
PKG_periplus-reflector := libsystemd
PKG_periplus-collector := libzmq libpq libsystemd libmaxminddb
libs    = $(shell pkg-config --libs $(1))
CFLAGS_PKG := $(shell pkg-config --cflags libpq libzmq libcurl $(PKG) 2>/dev/null)

LIB_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard lib/*.c)) \
	$(BUILD)/gen/catalogue_table.o
BINS    := $(addprefix $(BUILD)/bin/,$(PROGRAMS))
SQL     := $(sort $(wildcard sql/[0-9]*.sql))

all: $(BINS) ## build the programs (build/bin)

$(BUILD)/lib.a: $(LIB_OBJ)

# A program is main.o and an archive of its other modules, so that unit tests
# can link the modules without main.
define program
$(BUILD)/$(1).a: $(patsubst %.c,$(BUILD)/%.o,$(filter-out %/main.c,$(wildcard $(DIR_$(1))/*.c))) $(EXTRA_$(1))
$(BUILD)/bin/$(1): $(BUILD)/$(DIR_$(1))/main.o $(BUILD)/$(1).a $(BUILD)/lib.a
	@mkdir -p $$(@D)
	$$(SAY)$$(CC) $$(MY_C) $$(CFLAGS) $$(MY_LD) $$(LDFLAGS) -o $$@ $$^ $$(call libs,$$(PKG_$(1)) $$(PKG)) -lm
endef
EXTRA_periplus-collector := $(BUILD)/gen/migrations.o
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

$(BUILD)/%.a:
	@mkdir -p $(@D)
	@rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(SAY)$(CC) $(MY_CPP) $(CFLAGS_PKG) $(CPPFLAGS) $(MY_C) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(SAY)$(CC) $(MY_CPP) $(CPPFLAGS) $(MY_C) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/gen/catalogue_table.c: sql/seed/ports.tsv lib/catalogue_table.awk
	@mkdir -p $(@D)
	$(SAY)awk -f lib/catalogue_table.awk sql/seed/ports.tsv > $@

# The schema travels inside the collector: "migrate" needs no files beside it.
$(BUILD)/gen/migrations.c: collector/migrations.sh $(SQL) $(wildcard sql/seed/*.tsv sql/seed/*.awk)
	@mkdir -p $(@D)
	$(SAY)sh collector/migrations.sh $(SQL) > $@

# ---- unit tests and fuzz targets ------------------------------------------

UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
ARCHIVES := $(BUILD)/periplus.a $(BUILD)/periplus-fetch.a \
	$(BUILD)/periplus-reflector.a $(BUILD)/periplus-collector.a $(BUILD)/lib.a

unit: $(UNIT)

$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(ARCHIVES)
	@mkdir -p $(@D)
	$(SAY)$(CC) $(MY_C) $(CFLAGS) $(MY_LD) $(LDFLAGS) -o $@ $< -Wl,--start-group \
		$(ARCHIVES) -Wl,--end-group \
		$(call libs,libzmq libpq libcurl libsystemd libmaxminddb $(PKG)) -lcmocka -lm

# Programs that tests/agent uses: the engine alone, a collector's stand-in.
AGENT_TOOLS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/agent/*.c))

tests-bin: $(AGENT_TOOLS)

$(AGENT_TOOLS): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/periplus.a $(BUILD)/lib.a
	$(SAY)$(CC) $(MY_C) $(CFLAGS) $(MY_LD) $(LDFLAGS) -o $@ $^ \
		$(call libs,libzmq libsystemd $(PKG)) -lm

# Programs that tests and benchmarks run: simulated agents and the like.
TESTS_BIN := $(patsubst tests/load/%.c,$(BUILD)/tests-bin/%,$(wildcard tests/load/*.c))

tests-bin: $(TESTS_BIN)

$(BUILD)/tests-bin/%: $(BUILD)/tests/load/%.o $(BUILD)/lib.a
	@mkdir -p $(@D)
	$(SAY)$(CC) $(MY_C) $(CFLAGS) $(MY_LD) $(LDFLAGS) -o $@ $^ $(call libs,libzmq $(PKG)) -lm

# ---- fuzz targets: replayed by any compiler, searched by clang's libFuzzer --

FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 20
FUZZ_C := -std=c11 -g -O1 -fno-omit-frame-pointer \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all

fuzz-replay: $(FUZZ:%=$(BUILD)/fuzz/replay_%)

$(BUILD)/fuzz/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $(BUILD)/lib.a
	@mkdir -p $(@D)
	$(SAY)$(CC) $(MY_C) $(CFLAGS) $(MY_LD) $(LDFLAGS) -o $@ $^ $(call libs,$(PKG)) -lm

# All of lib is compiled anew, so that libFuzzer sees the branches inside it.
$(BUILD)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(wildcard lib/*.[ch]) tests/fuzz/fuzz.h $(BUILD)/gen/catalogue_table.c
	@mkdir -p $(@D)
	$(SAY)clang $(filter-out -D_FORTIFY_SOURCE=%,$(MY_CPP)) $(FUZZ_C) -o $@ \
		$(filter %.c,$^) $(call libs,$(PKG)) -lm

fuzz: $(FUZZ:%=$(BUILD)/fuzz/fuzz_%) ## search for inputs that break a decoder (FUZZ_SECONDS=20 each)
	@for t in $(FUZZ); do \
	  work=$(BUILD)/fuzz/$$t; rm -rf $$work; mkdir -p $$work/found; \
	  $(BUILD)/fuzz/fuzz_$$t -max_total_time=$(FUZZ_SECONDS) -max_len=20000 \
	    -timeout=5 -print_final_stats=1 -artifact_prefix=$$work/broken- \
	    $$work/found tests/fuzz/corpus/$$t > $$work/log 2>&1 || \
	    { tail -60 $$work/log; echo "fuzz $$t: broken, see $$work"; exit 1; }; \
	  awk -v t=$$t '/number_of_executed_units/ { \
	    print "fuzz " t ": " $$2 " inputs, none broke it" }' $$work/log; done

# ---- the two commands of the README ----------------------------------------

# Compilers and libraries may have come only with deps: what make learnt from
# them before is stale, so another make builds.
demo: deps ## run the demo world and print which ISPs block which ports
	$(MAKE) all
	tests/lab/lab demo

demo-clean: ## remove everything that the demo left
	tests/lab/lab demo-clean

# The same tests run twice where it matters: as built for users, and with
# ASan and UBSan.  clang compiles everything once with warnings as errors.
test: deps ## run every test (needs root: network namespaces, PostgreSQL)
	$(MAKE) -j2 WERROR=1 all man unit tests-bin fuzz-replay
	$(MAKE) -j2 WERROR=1 SAN=1 BUILD=$(BUILD)-san all unit tests-bin fuzz-replay
	$(MAKE) -j2 WERROR=1 CC=clang BUILD=$(BUILD)-clang all unit tests-bin
	BUILD=$(BUILD) tests/run

check: unit ## run the quick tests: no root, no network, no database
	tests/run $(UNIT)

bench: deps ## measure speed and size as ratios of one run
	$(MAKE) all tests-bin
	BUILD=$(BUILD) tests/bench/bench

lint: ## check formatting, static analysis, shell scripts
	tests/lint/lint.t

format: ## format the C sources in place
	clang-format-14 -i $(C_FILES)

# ---- what the machine needs ------------------------------------------------

DEPS := gcc libc6-dev pkg-config libsodium-dev libcjson-dev libzmq3-dev \
	libcurl4-openssl-dev libpq-dev libmaxminddb-dev libsystemd-dev \
	postgresql-15 iproute2 nftables minisign libmaxmind-db-writer-perl \
	python3 procps ca-certificates openssl libcmocka-dev clang \
	libclang-rt-14-dev clang-format-14 \
	cppcheck shellcheck mandoc postgresql-15-pgtap \
	libtap-parser-sourcehandler-pgtap-perl nmap git

deps: ## install the Debian packages that build, demo and tests need
	@missing=$$(for p in $(DEPS); do \
	  dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null | \
	  grep -qx installed || echo $$p; done); \
	test -z "$$missing" || { echo "installing:" $$missing; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y --no-install-recommends $$missing; }

# ---- manual pages, with the tables of keys that the programs read ----------

MAN := $(patsubst packaging/man/%,$(BUILD)/man/%,$(wildcard packaging/man/*.[158]))

man: $(MAN) ## write the manual pages (build/man)

$(BUILD)/man/keys: $(BUILD)/packaging/man/keys.o $(ARCHIVES)
	@mkdir -p $(@D)
	$(SAY)$(CC) $(MY_C) $(CFLAGS) $(MY_LD) $(LDFLAGS) -o $@ $^ $(call libs,libpq $(PKG))

$(BUILD)/man/%: packaging/man/% $(BUILD)/man/keys
	$(SAY)$(BUILD)/man/keys $(firstword $(subst ., ,$*)) < $< > $@

# ---- install ---------------------------------------------------------------

install: all man ## install programs and manual pages under DESTDIR and PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin \
	  $(DESTDIR)$(PREFIX)/libexec/periplus
	install $(BUILD)/bin/periplus $(DESTDIR)$(PREFIX)/bin
	install $(BUILD)/bin/periplus-fetch $(DESTDIR)$(PREFIX)/libexec/periplus
	install $(BUILD)/bin/periplus-reflector $(BUILD)/bin/periplus-collector \
	  $(DESTDIR)$(PREFIX)/sbin
	for m in $(MAN); do install -D -m 644 $$m \
	  $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/}; done

C_FILES := $(shell git ls-files '*.c' '*.h' 2>/dev/null)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

clean: ## remove what was built
	rm -rf $(BUILD) $(BUILD)-san $(BUILD)-clang

help: ## list the targets
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: all unit tests-bin fuzz-replay fuzz demo demo-clean test check bench lint \
	format deps install clean help
