/*
 * What the commands over files share.
 */
#pragma once

#include "fs/vfs.h"
#include "shell/command.h"

/** command_path() - @argument as an absolute path on the heap, or NULL after a message. */
char *command_path(struct shell *shell, const char *argument);
/** command_failed() - one line for @error on @what; returns @error. */
int command_failed(struct shell *shell, const char *what, int error);
/** command_size() - "12 KiB", for people. */
void command_size(uint64_t bytes, char text[16]);
/** command_time() - "2026-01-31 12:00:00". */
void command_time(uint64_t wall_ns, char text[24]);
