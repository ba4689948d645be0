/*
 * An image file as the device of nanofs. A lock on the file keeps two programs from it; a name may
 * end in @OFFSET or @OFFSET+SIZE, for a partition.
 */
#include "tools/nanofs/image.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/nanofs/device.h"
#include "fs/nanofs/layout.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/string.h"

struct image {
    struct nanofs_device device;
    int file;
    off_t start;
};

static int transfer(struct image *image, const struct nanofs_io *io)
{
    for (uint32_t i = 0; i < io->count; i++) {
        off_t offset = image->start + (off_t)((io->block + i) * NANOFS_BLOCK_SIZE);
        ssize_t done = io->is_write ? pwrite(image->file, io->pages[i], NANOFS_BLOCK_SIZE, offset)
                                    : pread(image->file, io->pages[i], NANOFS_BLOCK_SIZE, offset);

        if (done < 0)
            return -errno;
        if (done != NANOFS_BLOCK_SIZE)
            return -EIO;
    }
    return 0;
}

static void image_submit(struct nanofs_device *device, struct nanofs_io *io)
{
    io->complete(io, transfer(container_of(device, struct image, device), io));
}

static int image_flush(struct nanofs_device *device)
{
    return fdatasync(container_of(device, struct image, device)->file) ? -errno : 0;
}

static void image_close(struct nanofs_device *device)
{
    struct image *image = container_of(device, struct image, device);

    close(image->file);
    free(image);
}

static const struct nanofs_device_ops image_ops = { .submit = image_submit,
                                                    .flush = image_flush,
                                                    .close = image_close };

/* Splits "FILE@OFFSET+SIZE". @size 0: to the end. */
static int parse_name(const char *name, char *file, size_t room, uint64_t *offset, uint64_t *size)
{
    char *at, *plus;

    *offset = *size = 0;
    if (strlcpy(file, name, room) >= room)
        return -ENAMETOOLONG;
    at = strrchr(file, '@');
    if (!at || access(file, F_OK) == 0)
        return 0;
    *at++ = '\0';
    plus = strchr(at, '+');
    if (plus)
        *plus++ = '\0';
    if (parse_size(at, offset) || (plus && parse_size(plus, size)))
        return -EINVAL;
    return 0;
}

static int image_open_file(struct image *image, const char *file)
{
    image->file = open(file, O_RDWR | O_CLOEXEC);
    if (image->file < 0 && (errno == EACCES || errno == EROFS)) {
        image->device.is_read_only = true;
        image->file = open(file, O_RDONLY | O_CLOEXEC);
    }
    if (image->file < 0)
        return -errno;
    return flock(image->file, LOCK_EX | LOCK_NB) ? -EBUSY : 0;
}

int nanofs_device_open(const char *name, const char *user, struct nanofs_device **result)
{
    struct image *image = calloc(1, sizeof(*image));
    char file[4096];
    uint64_t offset, size;
    off_t end;
    int error = image ? parse_name(name, file, sizeof(file), &offset, &size) : -ENOMEM;

    (void)user;
    if (error) {
        free(image);
        return error;
    }
    image->file = -1;
    error = image_open_file(image, file);
    end = error ? 0 : lseek(image->file, 0, SEEK_END);
    if (!error && (end < 0 || offset > (uint64_t)end || size > (uint64_t)end - offset))
        error = -ERANGE;
    if (error) {
        if (image->file >= 0)
            close(image->file);
        free(image);
        return error;
    }
    image->start = (off_t)offset;
    image->device.ops = &image_ops;
    image->device.block_count = (size ? size : (uint64_t)end - offset) / NANOFS_BLOCK_SIZE;
    strlcpy(image->device.name, strrchr(file, '/') ? strrchr(file, '/') + 1 : file,
            sizeof(image->device.name));
    *result = &image->device;
    return 0;
}

int image_create(const char *name, uint64_t size)
{
    int file = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    int error = 0;

    if (file < 0)
        return -errno;
    if (ftruncate(file, (off_t)size))
        error = -errno;
    close(file);
    return error;
}
