/*
 * Running lines: commands found by name, input and output redirected, statuses kept.
 */
#include "shell/shell_internal.h"

#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "shell/files.h"
#include "shell/lexer.h"

const struct shell_command *shell_find_command(const char *name)
{
    const struct shell_command *command;

    registry_for_each(command, shell_command) {
        if (strcmp(command->name, name) == 0)
            return command;
    }
    return NULL;
}

const struct shell_files *shell_files(void)
{
    return registry_count(shell_files) ? *registry_begin(shell_files) : NULL;
}

char *shell_absolute_path(struct shell *shell, const char *path)
{
    if (path[0] == '/')
        return kstrdup(path);
    const char *directory = shell_directory(shell);
    size_t size = strlen(directory) + strlen(path) + 2;
    char *absolute = kmalloc(size);
    if (absolute)
        snprintf(absolute, size, "%s%s%s", directory, strcmp(directory, "/") == 0 ? "" : "/", path);
    return absolute;
}

/* ---- redirection --------------------------------------------------------------------------- */

struct redirection {
    const struct shell_files *files;
    void *file;
    int error;
};

static void swap_redirection(struct shell *shell, struct redirection *other)
{
    struct redirection current = { shell->redirect_files, shell->redirect_file,
                                   shell->redirect_error };

    shell->redirect_files = other->files;
    shell->redirect_file = other->file;
    shell->redirect_error = other->error;
    *other = current;
}

static int open_redirection(struct shell *shell, const struct shell_words *words,
                            struct redirection *redirection)
{
    const struct shell_files *files = shell_files();

    *redirection = (struct redirection){ .files = files };
    if (!files) {
        shell_error(shell, "cannot redirect: there is no file system");
        return -ENOSYS;
    }
    char *path = shell_absolute_path(shell, words->redirect);
    int error = path ? files->open(path, words->is_append, &redirection->file) : -ENOMEM;
    kfree(path);
    if (error)
        shell_error(shell, "cannot open %s: %s", words->redirect, errno_text(error));
    return error;
}

struct source {
    const struct shell_files *files;
    void *file;
    uint64_t offset;
};

static void swap_source(struct shell *shell, struct source *other)
{
    struct source current = { shell->source_files, shell->source_file, shell->source_offset };

    shell->source_files = other->files;
    shell->source_file = other->file;
    shell->source_offset = other->offset;
    *other = current;
}

static int open_source(struct shell *shell, const struct shell_words *words, struct source *source)
{
    const struct shell_files *files = shell_files();

    *source = (struct source){ .files = files };
    if (!files) {
        shell_error(shell, "cannot redirect: there is no file system");
        return -ENOSYS;
    }
    char *path = shell_absolute_path(shell, words->source);
    int error = path ? files->open_source(path, &source->file) : -ENOMEM;
    kfree(path);
    if (error)
        shell_error(shell, "cannot open %s: %s", words->source, errno_text(error));
    return error;
}

/* ---- commands ------------------------------------------------------------------------------ */

static int run_command(struct shell *shell, struct shell_words *words)
{
    const struct shell_command *command = shell_find_command(words->argv[0]);

    if (!command) {
        shell_error(shell, "there is no such command; help lists them");
        return -ENOENT;
    }
    int status = command->run(shell, words->argc, words->argv);
    if (status == -EINVAL) {
        shell_start_line(shell);
        shell_send(shell, "usage: ", 7);
        shell_send(shell, command->usage, strlen(command->usage));
        shell_send(shell, "\n", 1);
    }
    return status;
}

static int run_to_file(struct shell *shell, struct shell_words *words)
{
    struct redirection redirection;
    int status = open_redirection(shell, words, &redirection);

    if (status)
        return status;
    swap_redirection(shell, &redirection);
    status = run_command(shell, words);
    swap_redirection(shell, &redirection);

    int error = redirection.files->close(redirection.file);
    if (error && !redirection.error)
        shell_error(shell, "cannot write %s: %s", words->redirect, errno_text(error));
    error = redirection.error ? redirection.error : error;
    return status ? status : error;
}

static int run_redirected(struct shell *shell, struct shell_words *words)
{
    return words->redirect ? run_to_file(shell, words) : run_command(shell, words);
}

static int run_from_source(struct shell *shell, struct shell_words *words)
{
    struct source source;
    int status = open_source(shell, words, &source);

    if (status)
        return status;
    swap_source(shell, &source);
    status = run_redirected(shell, words);
    swap_source(shell, &source);
    (void)source.files->close(source.file);
    return status;
}

static int run_words(struct shell *shell, struct shell_words *words)
{
    const char *outer = shell->command;
    int status;

    shell->command = words->argv[0];
    status = words->source ? run_from_source(shell, words) : run_redirected(shell, words);
    shell->command = outer;
    if (atomic_load_relaxed(&shell->is_interrupted))
        status = -ECANCELED;
    return status;
}

/* Words and the memory they point into: together too large for the stack. */
struct execution {
    struct shell_words words;
    char storage[];
};

int shell_execute(struct shell *shell, const char *line)
{
    struct execution *execution = kmalloc(sizeof(*execution) + LEXER_STORAGE(strlen(line)));
    const char *error = NULL;
    int result = 0;

    if (!execution) {
        shell_error(shell, "%s", errno_text(-ENOMEM));
        return shell->status = -ENOMEM;
    }
    while (!atomic_load_relaxed(&shell->is_interrupted) &&
           (result = lexer_next(&line, execution->storage, shell->status, &execution->words,
                                &error)) > 0) {
        if (execution->words.argc > 0)
            shell->status = run_words(shell, &execution->words);
    }
    if (result < 0) {
        shell_error(shell, "%s", error);
        shell->status = result;
    }
    kfree(execution);
    return shell->status;
}

int shell_run(struct shell *shell, const char *line)
{
    shell_start_running(shell);
    int status = shell_execute(shell, line);
    shell_stop_running(shell);

    shell_forget_command_input(shell);
    if (atomic_exchange(&shell->is_interrupted, false)) {
        task_clear_cancel(task_current());
        shell_send(shell, "^C\n", 3);
        status = shell->status = -ECANCELED;
    }
    shell_start_line(shell);
    return status;
}
