# Builds the kernel. `make` is the release build by gcc; `make DEBUG=1` adds the debug checks,
# `make CC=clang` (or any gcc or clang) takes another compiler. Sources are found by wildcard:
# adding a file to one of the rooms below is all it takes to have it built.
#
#   build/nos.elf         the kernel of the last build, whichever configuration that was
#   build/CONFIG/         one configuration: CONFIG is the compiler and release or debug,
#                         so that several live side by side, e.g. build/clang-debug/nos.elf
#
# `./nos` stands over this file and knows about packages, QEMU and the tests: `./nos help`.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin LD),default)
LD := ld
endif
NM ?= nm
DEBUG ?= 0
# `make V=1` prints the commands themselves.
Q := $(if $(filter 1,$(V)),,@)

CONFIG := $(notdir $(firstword $(CC)))-$(if $(filter 1,$(DEBUG)),debug,release)
BUILD := build/$(CONFIG)
OBJ := $(BUILD)/obj
GEN := $(BUILD)/generated
LINKER_SCRIPT := arch/x86_64/kernel.ld

# ---- sources -------------------------------------------------------------------------------

ROOMS := lib arch/x86_64 kernel mm acpi block fs net drivers shell tests/boot
SOURCES := $(sort $(foreach room,$(ROOMS),$(if $(wildcard $(room)),\
	$(shell find $(room) -name '*.c' -o -name '*.S'))))
OBJECTS := $(patsubst %,$(OBJ)/%.o,$(SOURCES)) $(GEN)/version.o

# ---- flags ---------------------------------------------------------------------------------

IS_CLANG := $(findstring clang,$(shell $(CC) --version | head -n 1))

WARNINGS := -Wall -Wextra -Wshadow -Wundef -Wvla -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wpointer-arith -Wwrite-strings -Wimplicit-fallthrough \
	-Wframe-larger-than=1024 -Werror

# Code is position independent only in the sense that it reaches data relative to RIP, which is
# what lets the small model work at the top of the address space: the link address is fixed.
# No FPU and no red zone, because interrupts use the interrupted stack and save no vector state.
# The stack guard is per CPU, at GS:40 (struct percpu in the architecture's own header).
MACHINE := -m64 -march=x86-64 -fpie -mcmodel=small -fvisibility=hidden -mno-red-zone \
	-mgeneral-regs-only -fcf-protection=none -fstack-protector-strong \
	-mstack-protector-guard=tls -mstack-protector-guard-reg=gs -mstack-protector-guard-offset=40

# -ffile-prefix-map: the same source gives the same bytes whatever folder it was built in.
CFLAGS := -std=gnu11 -O2 -g -ffreestanding $(MACHINE) -fno-strict-aliasing -fno-common \
	-fno-omit-frame-pointer -fno-asynchronous-unwind-tables -fno-delete-null-pointer-checks \
	-ffile-prefix-map=$(CURDIR)/= -ffile-prefix-map=$(CURDIR)=. $(WARNINGS)
CPPFLAGS := -I. '-DARCH_INLINE="arch/x86_64/inline.h"' -DCONFIG_DEBUG=$(if $(filter 1,$(DEBUG)),1,0)

ifeq ($(IS_CLANG),)
# A loop that is a byte-wise memcpy must not be compiled into a call of memcpy.
CFLAGS += -fno-tree-loop-distribute-patterns
else
# Data of other files is reached directly too, not through a table of addresses.
CFLAGS += -fno-builtin -fdirect-access-external-data
endif
ifeq ($(DEBUG),1)
# Every caller keeps its frame, so that a backtrace misses nobody.
CFLAGS += -fno-optimize-sibling-calls
endif

ASFLAGS := $(filter-out -std=% -W%,$(CFLAGS)) -Wa,--noexecstack

# Objects are linked directly, never through an archive, which would drop the registrations.
LDFLAGS := -nostdlib -static -z noexecstack -z max-page-size=4096 --build-id=none --fatal-warnings

# ---- the kernel ----------------------------------------------------------------------------

.PHONY: all kernel FORCE
ifneq ($(wildcard $(LINKER_SCRIPT)),)
all: kernel
else
all: $(OBJECTS)
	@echo "note: no $(LINKER_SCRIPT) yet: objects were compiled, nothing is linked"
endif

kernel: $(BUILD)/nos.elf
	@cmp -s $< build/nos.elf || { cp $< build/nos.elf.tmp && mv build/nos.elf.tmp build/nos.elf; }

# The kernel carries its own table of functions, for backtraces. It is made from the link itself:
# linked once with an empty table, then with the full one, which may move what follows it, then
# with the addresses of that second link. scripts/link does this and checks that it has settled.
$(BUILD)/nos.elf: $(OBJECTS) $(LINKER_SCRIPT) scripts/link scripts/symbols.awk
	@echo "  LINK   $@"
	$(Q)CC='$(CC)' LD='$(LD)' NM='$(NM)' GEN='$(GEN)' ASFLAGS='$(ASFLAGS)' \
		scripts/link $@ $(LDFLAGS) -T $(LINKER_SCRIPT) $(OBJECTS)

$(OBJ)/%.c.o: %.c $(BUILD)/flags
	@echo "  CC     $<"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

$(OBJ)/%.S.o: %.S $(BUILD)/flags
	@echo "  AS     $<"
	@mkdir -p $(@D)
	$(Q)$(CC) $(ASFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

# The version comes from git; the file changes, and so is compiled again, only when that does.
$(GEN)/version.c: FORCE
	@mkdir -p $(@D)
	@scripts/version '$(CC)' '$(if $(filter 1,$(DEBUG)),debug,release)' > $@.tmp
	@if cmp -s $@.tmp $@; then rm $@.tmp; else mv $@.tmp $@; fi

$(GEN)/version.o: $(GEN)/version.c $(BUILD)/flags
	$(Q)$(CC) $(CFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

# Holds the command line of the compiler, so that new flags compile everything again.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS) $(CPPFLAGS)' > $@.tmp
	@if cmp -s $@.tmp $@; then rm $@.tmp; else mv $@.tmp $@; fi

-include $(patsubst %.o,%.d,$(filter %.o,$(OBJECTS)))

# ---- everything beside the kernel ----------------------------------------------------------

-include tools/nanofs/nanofs.mk
-include tests/unit/unit.mk
-include scripts/lint.mk

.PHONY: run test lint debug format help clean
run test debug format help:
	@./nos $@

clean:
	rm -rf build
