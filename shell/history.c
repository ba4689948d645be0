/*
 * A ring of copies of lines.
 */
#include "shell/history.h"

#include "lib/string.h"
#include "mm/kmalloc.h"

const char *history_get(const struct history *history, size_t age)
{
    if (age >= history->count)
        return NULL;
    return history->lines[(history->first + history->count - 1 - age) % HISTORY_MAX];
}

void history_add(struct history *history, const char *line)
{
    const char *last = history_get(history, 0);

    if (line[0] == '\0' || (last && strcmp(last, line) == 0))
        return;
    char *copy = kstrdup(line);
    if (!copy)
        return;
    if (history->count == HISTORY_MAX) {
        kfree(history->lines[history->first]);
        history->lines[history->first] = copy;
        history->first = (history->first + 1) % HISTORY_MAX;
    } else {
        history->lines[(history->first + history->count++) % HISTORY_MAX] = copy;
    }
}

long history_find(const struct history *history, size_t age, const char *text)
{
    for (; age < history->count; age++) {
        if (strstr(history_get(history, age), text))
            return (long)age;
    }
    return -1;
}

void history_clear(struct history *history)
{
    for (size_t i = 0; i < history->count; i++)
        kfree(history->lines[(history->first + i) % HISTORY_MAX]);
    *history = (struct history){ 0 };
}
