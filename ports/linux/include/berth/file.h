/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: file - files of the host as backings: for the file cache, or as swap space
 *
 * May be used before berth_start() and after berth_stop().
 */
#ifndef BERTH_FILE_H
#define BERTH_FILE_H

#include <berth/backing.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

#define BERTH_FILE_WRITE 0x1u /* may be written and resized */
#define BERTH_FILE_CREATE 0x2u /* comes into being, empty, if it is not there; implies WRITE */
#define BERTH_FILE_FIXED 0x4u /* keeps its size */

/**
 * berth_file_open() - a file, or a block device, of the host
 * @path: copied
 * @flags: BERTH_FILE_*; 0: for reading
 *
 * Nobody else writes to it or changes its size. Return: the backing, until berth_file_close(), or
 * NULL (IO with the path; OUT_OF_MEMORY; ARGUMENT).
 */
struct backing *berth_file_open(const char *path, unsigned int flags);

/**
 * berth_file_close() - close it
 * @backing: from berth_file_open(), with no user left; NULL is ignored
 *
 * What was written and not flushed is the host's to write. Return: 0, or -EIO and others as close()
 * (IO); it is closed in any case.
 */
int berth_file_close(struct backing *backing);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
