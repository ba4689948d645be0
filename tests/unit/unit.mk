# Unit tests and fuzzers: the kernel's own sources compiled for this machine under sanitizers.
# Included by the Makefile.
#
#   make unit                     build and run all tests (gcc, AddressSanitizer and UBSan)
#   make unit UNIT=net/           those whose name contains the text
#   make unit-clang               the same by clang
#   make unit-build               build only
#   make fuzz-NAME SECONDS=60     run tests/fuzz/fuzz_NAME.c (libFuzzer) over its corpus
#   make fuzz-build               build every fuzzer
#
# A test is a file tests/unit/ROOM/test_NAME.c, a fuzzer a file tests/fuzz/fuzz_NAME.c: there is no
# list to add them to. Every portable source of the kernel, and arch/host below it, is compiled
# into an archive, from which a test draws what it calls. Registrations (commands, init hooks,
# drivers) are not called by name and so are not drawn in: a test that wants them names their files
# in a comment line of its own:
#
#     // links: net/tcp_command.c shell/parser.c
#
# Files that implement the kernel's own start and stop, which nothing on a host can use, are left
# out by name below. tests/unit/*.c (not in a room) is support code that every test may call.

HOST_LEFT_OUT := kernel/main.c kernel/panic.c kernel/backtrace.c
# On a host memory comes from malloc() (arch/host/heap.c, pages.c); tests of the kernel's own
# allocators name these files.
HOST_LEFT_OUT += mm/page.c mm/vm.c mm/vm_range.c mm/pool.c mm/slab.c mm/kmalloc.c
HOST_ROOMS := lib arch/host kernel mm acpi block fs net drivers shell
HOST_SOURCES := $(sort $(filter-out $(HOST_LEFT_OUT),\
	$(foreach room,$(HOST_ROOMS),$(if $(wildcard $(room)),$(shell find $(room) -name '*.c'))) \
	$(wildcard tests/unit/*.c)))
# Assembly that is tested on the host too; it defines other names there (see the files).
HOST_ASSEMBLY := $(wildcard arch/x86_64/string.S arch/x86_64/checksum.S arch/x86_64/crc32.S)
UNIT_TESTS := $(sort $(shell find tests/unit -mindepth 2 -name 'test_*.c'))
FUZZERS := $(sort $(wildcard tests/fuzz/fuzz_*.c))

UNIT ?=
SECONDS ?= 60
UNIT_CC := gcc
UNIT_TIMEOUT := 300
FUZZ_CC := clang

HOST_CFLAGS = -std=gnu11 -O1 -g -fno-omit-frame-pointer -fno-strict-aliasing -fno-common \
	-fvisibility=hidden -pthread $(filter-out -Wframe-larger-than=%,$(WARNINGS)) -Wno-missing-field-initializers \
	-Wno-unknown-warning-option -Wno-format-truncation
HOST_CPPFLAGS := -I. -DARCH_INLINE='"arch/host/inline.h"' -DCONFIG_DEBUG=1 -DCONFIG_HOST=1 -D_GNU_SOURCE
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all

# $(call host_build,FOLDER,COMPILER,FLAGS): rules for one set of objects and its archive.
# A source that does not compile is reported and left out, so that the tests of other rooms still
# run; `unit` fails all the same.
define host_build
$(1)/obj/%.c.o: %.c $(1)/flags
	@mkdir -p $$(@D)
	$$(Q)$(2) $$(HOST_CFLAGS) $(3) $$(HOST_CPPFLAGS) -MMD -MP -c -o $$@ $$< || { rm -f $$@; exit 1; }

$(1)/obj/%.S.o: %.S $(1)/flags
	@mkdir -p $$(@D)
	$$(Q)$(2) $$(HOST_CPPFLAGS) -MMD -MP -c -o $$@ $$< || { rm -f $$@; exit 1; }

$(1)/flags: FORCE
	@mkdir -p $$(@D)
	@echo '$(2) $$(HOST_CFLAGS) $(3) $$(HOST_CPPFLAGS)' > $$@.tmp
	@if cmp -s $$@.tmp $$@; then rm $$@.tmp; else mv $$@.tmp $$@; fi

.PHONY: $(1)/objects
$(1)/objects: $(patsubst %,$(1)/obj/%.o,$(HOST_SOURCES) $(HOST_ASSEMBLY))

$(1)/members: FORCE
	@echo $$(wildcard $(patsubst %,$(1)/obj/%.o,$(HOST_SOURCES) $(HOST_ASSEMBLY))) > $$@.tmp
	@if cmp -s $$@.tmp $$@; then rm $$@.tmp; else mv $$@.tmp $$@; fi

$(1)/libnos.a: $(1)/members $(wildcard $(patsubst %,$(1)/obj/%.o,$(HOST_SOURCES) $(HOST_ASSEMBLY)))
	@rm -f $$@
	$$(Q)ar rcs $$@ $$(filter %.o,$$^)

-include $(patsubst %,$(1)/obj/%.d,$(HOST_SOURCES) $(HOST_LEFT_OUT) $(FUZZERS) $(wildcard tests/unit/*/*.c))
endef

# The files that a test names in its "links:" lines.
linked_sources = $(shell sed -n 's|^// links: ||p' $(1))

UNIT_BUILD := build/unit-$(UNIT_CC)
UNIT_NAMES := $(patsubst tests/unit/%.c,%,$(UNIT_TESTS))
UNIT_CHOSEN := $(if $(UNIT),$(foreach t,$(UNIT_NAMES),$(if $(findstring $(UNIT),$(t)),$(t))),$(UNIT_NAMES))

$(eval $(call host_build,$(UNIT_BUILD),$(UNIT_CC),$(SANITIZE)))

define unit_binary
$(UNIT_BUILD)/$(1): $(UNIT_BUILD)/obj/tests/unit/$(1).c.o $(UNIT_BUILD)/libnos.a \
		$(patsubst %,$(UNIT_BUILD)/obj/%.o,$(call linked_sources,tests/unit/$(1).c))
	@mkdir -p $$(@D)
	$$(Q)$(UNIT_CC) $(SANITIZE) -pthread -o $$@ $$(filter %.o,$$^) $(UNIT_BUILD)/libnos.a -lcmocka -lm

.PHONY: unit-run/$(1)
unit-run/$(1): $(UNIT_BUILD)/$(1)
	@timeout $(UNIT_TIMEOUT) $$< > $$<.log 2>&1; status=$$$$?; cat $$<.log; \
		if [ $$$$status -ne 0 ]; then \
			echo "[  FAILED  ] tests/unit/$(1): exit status $$$$status"; exit 1; fi
endef
$(foreach test,$(UNIT_NAMES),$(eval $(call unit_binary,$(test))))

# Three steps, each a make of its own, because the second takes whatever the first could compile.
HOST_STEPS = $(MAKE) -k --no-print-directory UNIT_CC=$(UNIT_CC)
.PHONY: unit unit-clang unit-build unit-run unit-binaries
unit unit-build:
	@failed=0; \
	$(HOST_STEPS) $(UNIT_BUILD)/objects || failed=1; \
	$(HOST_STEPS) unit-binaries || failed=1; \
	if [ $@ = unit ]; then $(HOST_STEPS) unit-run || failed=1; fi; \
	if [ $$failed -ne 0 ]; then echo "unit tests: FAILED"; exit 1; fi

unit-clang:
	@$(MAKE) --no-print-directory UNIT_CC=clang unit

unit-binaries: $(patsubst %,$(UNIT_BUILD)/%,$(UNIT_CHOSEN))
unit-run: $(patsubst %,unit-run/%,$(UNIT_CHOSEN))

# ---- fuzzers -------------------------------------------------------------------------------
# New inputs go to build/fuzz/corpus/NAME; those in tests/fuzz/corpus/NAME are kept in the project.

FUZZ_BUILD := build/fuzz
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(FUZZERS))

$(eval $(call host_build,$(FUZZ_BUILD),$(FUZZ_CC),$(SANITIZE) -fsanitize=fuzzer-no-link))

define fuzz_binary
$(FUZZ_BUILD)/fuzz_$(1): $(FUZZ_BUILD)/obj/tests/fuzz/fuzz_$(1).c.o $(FUZZ_BUILD)/libnos.a \
		$(patsubst %,$(FUZZ_BUILD)/obj/%.o,$(call linked_sources,tests/fuzz/fuzz_$(1).c))
	$$(Q)$(FUZZ_CC) $(SANITIZE) -fsanitize=fuzzer -pthread -o $$@ $$(filter %.o,$$^) \
		$(FUZZ_BUILD)/libnos.a

.PHONY: fuzz-$(1)
fuzz-$(1):
	@$(MAKE) -k --no-print-directory $(FUZZ_BUILD)/objects || true
	@$(MAKE) --no-print-directory $(FUZZ_BUILD)/fuzz_$(1)
	@mkdir -p $(FUZZ_BUILD)/corpus/$(1) $(FUZZ_BUILD)/findings
	$(FUZZ_BUILD)/fuzz_$(1) -max_total_time=$(SECONDS) -timeout=10 -print_final_stats=1 \
		-artifact_prefix=$(FUZZ_BUILD)/findings/$(1)- \
		$(FUZZ_BUILD)/corpus/$(1) $(wildcard tests/fuzz/corpus/$(1))
endef
$(foreach fuzzer,$(FUZZ_NAMES),$(eval $(call fuzz_binary,$(fuzzer))))

.PHONY: fuzz-build
fuzz-build:
	@failed=0; \
	$(MAKE) -k --no-print-directory $(FUZZ_BUILD)/objects || failed=1; \
	$(MAKE) -k --no-print-directory $(patsubst %,$(FUZZ_BUILD)/fuzz_%,$(FUZZ_NAMES)) || failed=1; \
	exit $$failed
