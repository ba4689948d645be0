/*
 * Names and meanings of error numbers.
 */
#include "lib/errno.h"

#include "lib/compiler.h"

struct errno_entry {
    int number;
    const char *name;
    const char *text;
};

#define ENTRY(number, text)                                                                        \
    {                                                                                              \
        number, #number, text                                                                      \
    }

static const struct errno_entry entries[] = {
    { 0, "OK", "success" },
    ENTRY(EPERM, "operation not permitted"),
    ENTRY(ENOENT, "no such file or directory"),
    ENTRY(EINTR, "interrupted"),
    ENTRY(EIO, "input/output error"),
    ENTRY(ENXIO, "no such device or address"),
    ENTRY(E2BIG, "too many arguments"),
    ENTRY(EBADF, "not open"),
    ENTRY(EAGAIN, "try again"),
    ENTRY(ENOMEM, "out of memory"),
    ENTRY(EACCES, "permission denied"),
    ENTRY(EFAULT, "bad address"),
    ENTRY(EBUSY, "busy"),
    ENTRY(EEXIST, "exists already"),
    ENTRY(EXDEV, "on another file system"),
    ENTRY(ENODEV, "no such device"),
    ENTRY(ENOTDIR, "not a directory"),
    ENTRY(EISDIR, "is a directory"),
    ENTRY(EINVAL, "invalid argument"),
    ENTRY(ENFILE, "too many open files"),
    ENTRY(EMFILE, "too many open files"),
    ENTRY(EFBIG, "file too large"),
    ENTRY(ENOSPC, "no space left"),
    ENTRY(ESPIPE, "cannot seek"),
    ENTRY(EROFS, "read-only"),
    ENTRY(EMLINK, "too many links"),
    ENTRY(EPIPE, "the other end is closed"),
    ENTRY(EDOM, "argument out of domain"),
    ENTRY(ERANGE, "out of range"),
    ENTRY(EDEADLK, "would deadlock"),
    ENTRY(ENAMETOOLONG, "name too long"),
    ENTRY(ENOSYS, "not implemented"),
    ENTRY(ENOTEMPTY, "directory not empty"),
    ENTRY(ELOOP, "too many levels"),
    ENTRY(ENODATA, "no data"),
    ENTRY(ETIME, "timer expired"),
    ENTRY(ENOLINK, "link lost"),
    ENTRY(EPROTO, "protocol error"),
    ENTRY(EBADMSG, "bad checksum"),
    ENTRY(EOVERFLOW, "value too large"),
    ENTRY(EUCLEAN, "structure needs checking"),
    ENTRY(EILSEQ, "invalid characters"),
    ENTRY(EDESTADDRREQ, "destination address required"),
    ENTRY(EMSGSIZE, "message too long"),
    ENTRY(EPROTOTYPE, "wrong protocol type"),
    ENTRY(ENOPROTOOPT, "option not available"),
    ENTRY(EPROTONOSUPPORT, "protocol not supported"),
    ENTRY(EOPNOTSUPP, "not supported"),
    ENTRY(EAFNOSUPPORT, "address family not supported"),
    ENTRY(EADDRINUSE, "address in use"),
    ENTRY(EADDRNOTAVAIL, "address not available"),
    ENTRY(ENETDOWN, "network is down"),
    ENTRY(ENETUNREACH, "network unreachable"),
    ENTRY(ENETRESET, "network dropped the connection"),
    ENTRY(ECONNABORTED, "connection aborted"),
    ENTRY(ECONNRESET, "connection reset by peer"),
    ENTRY(ENOBUFS, "no buffer space"),
    ENTRY(EISCONN, "connected already"),
    ENTRY(ENOTCONN, "not connected"),
    ENTRY(ETIMEDOUT, "timed out"),
    ENTRY(ECONNREFUSED, "connection refused"),
    ENTRY(EHOSTDOWN, "host is down"),
    ENTRY(EHOSTUNREACH, "no route to host"),
    ENTRY(EALREADY, "under way already"),
    ENTRY(EINPROGRESS, "in progress"),
    ENTRY(ENOMEDIUM, "no medium"),
    ENTRY(EMEDIUMTYPE, "wrong medium type"),
    ENTRY(ECANCELED, "cancelled"),
};

static const struct errno_entry *find_entry(int error)
{
    for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
        if (entries[i].number == error || entries[i].number == -error)
            return &entries[i];
    }
    return NULL;
}

const char *errno_name(int error)
{
    const struct errno_entry *entry = error == INT32_MIN ? NULL : find_entry(error);

    return entry ? entry->name : "E?";
}

const char *errno_text(int error)
{
    const struct errno_entry *entry = error == INT32_MIN ? NULL : find_entry(error);

    return entry ? entry->text : "unknown error";
}
