/*
 * The session, for the files of shell/ only.
 */
#pragma once

#include "kernel/sync/spinlock.h"
#include "kernel/sync/wait_queue.h"
#include "lib/atomic.h"
#include "lib/ring.h"
#include "shell/history.h"
#include "shell/line_editor.h"
#include "shell/session.h"

#define SHELL_INPUT_SIZE 65536
#define SHELL_PROMPT     "$ "

struct shell_files;
struct task;

/* What an interactive session has besides: the keyboard's side of it. */
struct shell_input {
    struct ring ring __guarded_by(shell->lock);
    uint64_t dropped __guarded_by(shell->lock);
    struct wait_queue typed; /* the session's task, waiting for the ring to fill */
    struct history history;  /* the session's task only, as all below */
    struct line_editor editor;
    char line[SHELL_LINE_MAX];

    /* Lines for a command that reads (shell_read): edited apart, handed out in pieces. */
    struct line_editor command_editor;
    char command_line[SHELL_LINE_MAX];
    bool command_is_editing;
    size_t command_taken; /* of the finished line, what was handed out */
    size_t command_ready; /* length of the finished line with its newline; 0: none */

    uint8_t ring_bytes[SHELL_INPUT_SIZE];
};

struct shell {
    const char *name;            /* const */
    const struct shell_ops *ops; /* const */
    void *context;               /* const */
    unsigned int flags;          /* const */

    struct spinlock lock;                   /* rank: LOCK_RANK_CONSOLE_INPUT */
    struct task *runner __guarded_by(lock); /* runs a command now; NULL: none does */
    atomic_bool is_interrupted;             /* that command is to end; its output is dropped */

    /* From here on: only the task that runs the session's commands. */
    int status;
    const char *command; /* name of the one that runs, for its error messages */
    char *directory;     /* kmalloc'ed; NULL: "/" */
    bool is_mid_line;    /* the user's cursor is not at the start of a line */
    size_t progress_length;

    const struct shell_files *redirect_files; /* NULL: output goes to the user */
    void *redirect_file;
    int redirect_error;
    const struct shell_files *source_files; /* NULL: commands read what is typed */
    void *source_file;
    uint64_t source_offset;

    struct shell_input *input; /* NULL unless interactive */
};

/* shell/input.c */
int shell_input_create(struct shell *shell);
void shell_input_destroy(struct shell *shell);
/** Waits for typed bytes and takes up to @size. Return: count > 0; -ETIMEDOUT; -ECANCELED. */
int shell_take_input(struct shell *shell, char *bytes, size_t size, uint64_t deadline_ns);
/**
 * From now on the calling task runs a command. A Ctrl-C that was typed before the command began,
 * but after its line, counts for it.
 */
void shell_start_running(struct shell *shell);
/** No command runs any more: nobody cancels the calling task for the session's sake. */
void shell_stop_running(struct shell *shell);
/** Is there anything to take without waiting? */
bool shell_has_input(struct shell *shell);
/** The command has ended: what it left of its line is dropped. */
void shell_forget_command_input(struct shell *shell);

/* shell/output.c */
/** To the user, whatever the redirection. */
void shell_send(struct shell *shell, const char *text, size_t length);
/** Ends a progress line and a line without its newline, before the prompt. */
void shell_start_line(struct shell *shell);

/* shell/complete.c */
void shell_complete(void *context, const char *line, size_t cursor, struct editor_choices *choices);

/* shell/execute.c */
/** @path as seen from the session's directory, absolute; kmalloc'ed, NULL when out of memory. */
char *shell_absolute_path(struct shell *shell, const char *path);
