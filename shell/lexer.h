/*
 * A line into commands and words. Pure.
 *
 *   words are separated by blanks; commands by ';'
 *   'as it is'   "with \" and \\ and $?"   \x outside quotes is x
 *   > FILE, >> FILE and < FILE, anywhere in a command; # at the start of a word: the rest is a
 * comment
 *   $? is the status of the last command
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/compiler.h"

#define SHELL_WORDS_MAX 256

struct shell_words {
    int argc;
    char *argv[SHELL_WORDS_MAX + 1]; /* ends with NULL */
    char *redirect;                  /* > PATH; NULL: none */
    bool is_append;                  /* >> PATH */
    char *source;                    /* < PATH; NULL: none */
};

/**
 * lexer_next() - take the next command off a line
 * @cursor: the rest of the line; moved behind the command
 * @storage: receives the words; of at least LEXER_STORAGE(strlen(line)) bytes
 * @status: what $? stands for
 * @words: argc is 0 for an empty command
 * @error: what is wrong with the line, when something is
 *
 * Return: 1 with a command; 0 at the end of the line; -EINVAL with *@error.
 */
int __must_check lexer_next(const char **cursor, char *storage, int status,
                            struct shell_words *words, const char **error);

/* $? grows to at most four digits from two characters; each word has its NUL. */
#define LEXER_STORAGE(line_length) (2 * (line_length) + 8)
