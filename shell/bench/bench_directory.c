#include "shell/bench/bench_directory.h"

#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"

#define NAME_ROOM 32 /* for the names added to the path that was given */

int bench_directory_init(struct bench_directory *directory, struct bench *bench, const char *name)
{
    int error = vfs_resolve(shell_directory(bench->shell), bench->argv[0], directory->directory);
    size_t length = error ? 0 : strlen(directory->directory);

    if (length + NAME_ROOM > VFS_PATH_MAX)
        error = -ENAMETOOLONG;
    if (error) {
        shell_error(bench->shell, "%s: %s", bench->argv[0], errno_text(error));
        return error;
    }
    if (length == 1)
        length = 0; /* the root ends in a slash already */
    snprintf(directory->directory + length, VFS_PATH_MAX - length, "/%s", name);
    return 0;
}

const char *bench_directory_file(struct bench_directory *directory, uint32_t number)
{
    snprintf(directory->path, sizeof(directory->path), "%s/file%u", directory->directory, number);
    return directory->path;
}

int bench_directory_end(struct bench_directory *directory, int error)
{
    int cleanup_error = vfs_remove_tree(directory->directory, NULL);

    return error ? error : cleanup_error;
}
