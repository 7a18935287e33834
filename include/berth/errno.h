/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: errno - error numbers and error pointers
 *
 * Functions return 0 or a positive result, or a negative errno value; functions that return a
 * pointer return NULL or ERR_PTR() exactly where Linux does. The numbers are those of Linux
 * (include/uapi/asm-generic/errno*.h); a hosted <errno.h> included before this one wins.
 */
#ifndef BERTH_ERRNO_H
#define BERTH_ERRNO_H

#include <berth/types.h>

#include <berth/names.h>

#ifndef EPERM
#define EPERM 1
#endif
#ifndef ENOENT
#define ENOENT 2
#endif
#ifndef EINTR
#define EINTR 4
#endif
#ifndef EIO
#define EIO 5
#endif
#ifndef ENXIO
#define ENXIO 6
#endif
#ifndef E2BIG
#define E2BIG 7
#endif
#ifndef EBADF
#define EBADF 9
#endif
#ifndef EAGAIN
#define EAGAIN 11
#endif
#ifndef ENOMEM
#define ENOMEM 12
#endif
#ifndef EACCES
#define EACCES 13
#endif
#ifndef EFAULT
#define EFAULT 14
#endif
#ifndef EBUSY
#define EBUSY 16
#endif
#ifndef EEXIST
#define EEXIST 17
#endif
#ifndef ENODEV
#define ENODEV 19
#endif
#ifndef EINVAL
#define EINVAL 22
#endif
#ifndef ENOTTY
#define ENOTTY 25
#endif
#ifndef EFBIG
#define EFBIG 27
#endif
#ifndef ENOSPC
#define ENOSPC 28
#endif
#ifndef ERANGE
#define ERANGE 34
#endif
#ifndef EDEADLK
#define EDEADLK 35
#endif
#ifndef ENOSYS
#define ENOSYS 38
#endif
#ifndef ENODATA
#define ENODATA 61
#endif
#ifndef ETIME
#define ETIME 62
#endif
#ifndef EOVERFLOW
#define EOVERFLOW 75
#endif
#ifndef EILSEQ
#define EILSEQ 84
#endif
#ifndef EOPNOTSUPP
#define EOPNOTSUPP 95
#endif
#ifndef ETIMEDOUT
#define ETIMEDOUT 110
#endif
#ifndef EALREADY
#define EALREADY 114
#endif
#ifndef EREMOTEIO
#define EREMOTEIO 121
#endif

/* Numbers that never leave a kernel, and so are in no hosted errno.h. */
#ifndef ERESTARTSYS
#define ERESTARTSYS 512
#endif
#ifndef EPROBE_DEFER
#define EPROBE_DEFER 517
#endif

#define BERTH_MAX_ERRNO 4095

/** ERR_PTR() - a negative errno value as a pointer; see IS_ERR() and PTR_ERR(). */
static inline void *ERR_PTR(intptr_t error)
{
	return (void *)error;
}

/** PTR_ERR() - the errno value inside a pointer for which IS_ERR() holds. */
static inline intptr_t PTR_ERR(const void *ptr)
{
	return (intptr_t)ptr;
}

/** IS_ERR() - whether a pointer is an error. NULL is not an error. */
static inline bool IS_ERR(const void *ptr)
{
	return (uintptr_t)ptr >= (uintptr_t)-BERTH_MAX_ERRNO;
}

/** IS_ERR_OR_NULL() - whether a pointer is an error or NULL. */
static inline bool IS_ERR_OR_NULL(const void *ptr)
{
	return !ptr || IS_ERR(ptr);
}

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
