/*
 * What the commands over files share.
 */
#pragma once

#include "fs/vfs.h"
#include "shell/command.h"

/**
 * command_path() - @argument as an absolute path
 * @path: for kfree(); NULL after an error
 *
 * A slash at the end promises a directory: what is there must be one.
 *
 * Return: 0, or an error that a line has told of.
 */
int __must_check command_path(struct shell *shell, const char *argument, char **path);
/** command_failed() - one line for @error on @what; returns @error. */
int command_failed(struct shell *shell, const char *what, int error);
/** command_size() - "12 KiB", for people. */
void command_size(uint64_t bytes, char text[16]);
/** command_time() - "2026-01-31 12:00:00". */
void command_time(uint64_t wall_ns, char text[24]);
