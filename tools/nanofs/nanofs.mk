# build/nanofs: the file system as a program of this machine. Included by the Makefile.

NANOFS_TOOL_SOURCES := $(wildcard tools/nanofs/*.c) fs/vnode.c fs/vnode_name.c fs/path.c fs/mount.c \
	fs/vfs_file.c fs/vfs_directory.c $(filter-out fs/nanofs/disk.c,$(wildcard fs/nanofs/*.c)) \
	$(addprefix lib/,errno.c string.c crc32.c crc32_fold.c bitmap.c rbtree.c hash.c hash_table.c sort.c uuid.c printf.c parse.c)
NANOFS_TOOL_CFLAGS := -std=gnu11 -O2 -g -fno-strict-aliasing $(filter-out -Wframe-larger-than=%,$(WARNINGS))
HOST_CC ?= cc

build/tools/%.o: %.c
	@echo "  HOSTCC $<"
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) $(NANOFS_TOOL_CFLAGS) -I. -DARCH_INLINE='"arch/host/inline.h"' -DCONFIG_DEBUG=0 \
		-DCONFIG_HOST=1 -D_GNU_SOURCE -MMD -MP -c -o $@ $<

build/nanofs: $(patsubst %.c,build/tools/%.o,$(NANOFS_TOOL_SOURCES))
	@echo "  HOSTLD $@"
	$(Q)$(HOST_CC) -o $@ $^

.PHONY: tools
tools: build/nanofs
all: tools

-include $(patsubst %.c,build/tools/%.d,$(NANOFS_TOOL_SOURCES))
