# `make lint`: every checker over every source, in parallel, each file again only after a change.
# A stamp under build/lint/ stands for "this checker was content with this file".

LINT := build/lint
LINT_C := $(filter %.c,$(SOURCES))
LINT_FORMATTED := $(sort $(LINT_C) $(foreach room,$(wildcard arch lib kernel mm acpi block fs net \
	drivers shell tests bench),$(shell find $(room) -name '*.[ch]')))

# The compilers' warnings about the kernel's own flags are the build's business, not the linter's.
LINT_CFLAGS := -std=gnu11 -ffreestanding -m64 -mno-red-zone -mgeneral-regs-only \
	$(filter-out -DCONFIG_DEBUG=%,$(CPPFLAGS)) -DCONFIG_DEBUG=1
# The analyses by clang, and what they need to know of the machine.
LINT_CLANG := $(LINT_CFLAGS) -fpie -Wall -Wextra -Wno-unknown-warning-option
# sparse knows neither the attributes of clang's lock analysis nor gcc's newer ones.
# A constant that is cut to a register's width is meant to be.
LINT_SPARSE := $(LINT_CFLAGS) -Wsparse-error -Wno-cast-truncate -Wno-decl -Wno-unknown-attribute -Wno-declaration-after-statement

LINT_CHECKERS := lint-includes lint-style lint-docs lint-scripts lint-format lint-locks lint-sparse lint-tidy

.PHONY: lint lint-list $(LINT_CHECKERS)
lint: $(LINT_CHECKERS)
	@echo "lint: $(words $(LINT_C)) sources, $(words $(LINT_FORMATTED)) formatted files, clean"
lint-list:
	@echo $(LINT_CHECKERS)

lint-includes:
	@scripts/check_includes --self-test
	@scripts/check_includes
lint-style:
	@scripts/check_style
lint-docs:
	@scripts/check_docs
# Scripts must at least parse: the shell ones by a plain POSIX shell, the Python ones by the system's.
lint-scripts:
	@for file in nos .ci/run scripts/*.sh scripts/commands/* $$(grep -lI -d skip '^#!/bin/sh' scripts/*); do \
		sh -n $$file || exit 1; done
	@/usr/bin/python3 -c 'import ast, sys; [ast.parse(open(f).read(), f) for f in sys.argv[1:]]' \
		$$(grep -lI -d skip '^#!/usr/bin/python3' scripts/*) $$(find tests scripts -name '*.py')

lint-format: $(patsubst %,$(LINT)/%.format,$(LINT_FORMATTED))
lint-locks: $(patsubst %,$(LINT)/%.locks,$(LINT_C))
lint-sparse: $(patsubst %,$(LINT)/%.sparse,$(LINT_C))
lint-tidy: $(patsubst %,$(LINT)/%.tidy,$(LINT_C))

$(LINT)/%.format: % .clang-format
	@mkdir -p $(@D)
	$(Q)clang-format --dry-run -Werror $<
	@touch $@

# Lock annotations, and the dependencies that the other two checkers share.
$(LINT)/%.locks: %
	@mkdir -p $(@D)
	$(Q)clang $(LINT_CLANG) -fsyntax-only -Wthread-safety -Werror \
		-MMD -MP -MT '$@ $(@:.locks=.tidy) $(@:.locks=.sparse)' -MF $(@:.locks=.d) $<
	@touch $@

$(LINT)/%.sparse: %
	@mkdir -p $(@D)
	$(Q)sparse $(LINT_SPARSE) $<
	@touch $@

$(LINT)/%.tidy: % .clang-tidy
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet $< -- $(LINT_CLANG) 2>$@.log || { cat $@.log; false; }
	@rm -f $@.log; touch $@

-include $(patsubst %,$(LINT)/%.d,$(LINT_C))

.PHONY: format-sources
format-sources:
	$(Q)clang-format -i $(LINT_FORMATTED)
