/*
 * Completion: the first word of a command is a command's name, the others are paths (after `help`:
 * commands).
 */
#include "lib/ctype.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "shell/files.h"
#include "shell/shell_internal.h"

/* Where the command that the cursor is in starts, behind its blanks. */
static size_t command_start(const char *line, size_t cursor)
{
    size_t start = cursor;

    while (start > 0 && line[start - 1] != ';')
        start--;
    while (start < cursor && is_space(line[start]))
        start++;
    return start;
}

static size_t word_start(const char *line, size_t cursor)
{
    size_t start = cursor;

    while (start > 0 && !is_space(line[start - 1]) && line[start - 1] != ';' &&
           line[start - 1] != '>' && line[start - 1] != '<')
        start--;
    return start;
}

static void complete_command(const char *word, size_t length, struct editor_choices *choices)
{
    const struct shell_command *command;

    registry_for_each(command, shell_command) {
        if (strncmp(command->name, word, length) == 0)
            editor_add_choice(choices, command->name);
    }
}

struct path_search {
    struct editor_choices *choices;
    const char *word; /* as typed: directory part and start of a name */
    size_t directory_length;
    const char *name; /* the start of a name */
    size_t name_length;
};

static void visit_name(void *context, const char *name, bool is_directory)
{
    struct path_search *search = context;
    char choice[EDITOR_CHOICES_MAX];

    if (strncmp(name, search->name, search->name_length) != 0 || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0)
        return;
    int length = snprintf(choice, sizeof(choice), "%.*s%s%s", (int)search->directory_length,
                          search->word, name, is_directory ? "/" : "");
    if (length > 0 && (size_t)length < sizeof(choice))
        editor_add_choice(search->choices, choice);
}

static void complete_path(struct shell *shell, const char *word, size_t length,
                          struct editor_choices *choices)
{
    const struct shell_files *files = shell_files();
    size_t directory_length = length;
    char typed[EDITOR_CHOICES_MAX];

    if (!files || length >= sizeof(typed))
        return;
    while (directory_length > 0 && word[directory_length - 1] != '/')
        directory_length--;
    memcpy(typed, word, directory_length);
    typed[directory_length] = '\0';

    char *path = shell_absolute_path(shell, typed);
    if (!path)
        return;
    struct path_search search = {
        .choices = choices,
        .word = word,
        .directory_length = directory_length,
        .name = word + directory_length,
        .name_length = length - directory_length,
    };
    int error = files->list(path, visit_name, &search);
    (void)error; /* a directory that cannot be read has nothing to offer */
    kfree(path);
}

void shell_complete(void *context, const char *line, size_t cursor, struct editor_choices *choices)
{
    size_t command = command_start(line, cursor);
    size_t start = word_start(line, cursor);
    const char *word = line + start;

    choices->word_start = start;
    if (start <= command || (start == command + 5 && strncmp(line + command, "help ", 5) == 0))
        complete_command(word, cursor - start, choices);
    else
        complete_path(context, word, cursor - start, choices);
}
