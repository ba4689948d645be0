/*
 * Error numbers. Functions return 0 or one of these negated; people are shown errno_text().
 *
 * The numbers are those of Linux on x86-64, so that a host build takes its own <errno.h>.
 */
#pragma once

#if __STDC_HOSTED__
#include <errno.h>
#else
#define EPERM           1
#define ENOENT          2
#define EINTR           4
#define EIO             5
#define ENXIO           6
#define E2BIG           7
#define EBADF           9
#define EAGAIN          11
#define ENOMEM          12
#define EACCES          13
#define EFAULT          14
#define EBUSY           16
#define EEXIST          17
#define EXDEV           18
#define ENODEV          19
#define ENOTDIR         20
#define EISDIR          21
#define EINVAL          22
#define ENFILE          23
#define EMFILE          24
#define EFBIG           27
#define ENOSPC          28
#define ESPIPE          29
#define EROFS           30
#define EMLINK          31
#define EPIPE           32
#define EDOM            33
#define ERANGE          34
#define EDEADLK         35
#define ENAMETOOLONG    36
#define ENOSYS          38
#define ENOTEMPTY       39
#define ELOOP           40
#define ENODATA         61
#define ETIME           62
#define ENOLINK         67
#define EPROTO          71
#define EBADMSG         74
#define EOVERFLOW       75
#define EUCLEAN         117
#define EILSEQ          84
#define EDESTADDRREQ    89
#define EMSGSIZE        90
#define EPROTOTYPE      91
#define ENOPROTOOPT     92
#define EPROTONOSUPPORT 93
#define EOPNOTSUPP      95
#define EAFNOSUPPORT    97
#define EADDRINUSE      98
#define EADDRNOTAVAIL   99
#define ENETDOWN        100
#define ENETUNREACH     101
#define ENETRESET       102
#define ECONNABORTED    103
#define ECONNRESET      104
#define ENOBUFS         105
#define EISCONN         106
#define ENOTCONN        107
#define ETIMEDOUT       110
#define ECONNREFUSED    111
#define EHOSTDOWN       112
#define EHOSTUNREACH    113
#define EALREADY        114
#define EINPROGRESS     115
#define ENOMEDIUM       123
#define EMEDIUMTYPE     124
#define ECANCELED       125
#define EWOULDBLOCK     EAGAIN
#define ENOTSUP         EOPNOTSUPP
#endif

/**
 * errno_name() - the symbol of an error number, "ENOENT"
 * @error: positive or negative
 *
 * Return: a constant string, "OK" for 0, "E?" for a number without a name.
 */
const char *errno_name(int error);

/**
 * errno_text() - what an error number means to a person, "no such file or directory"
 * @error: positive or negative
 *
 * Return: a constant string, "success" for 0, "unknown error" for a number without a name.
 */
const char *errno_text(int error);
