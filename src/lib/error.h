/* SPDX-License-Identifier: BSD-2-Clause */
/* How berth's own code records the reason of a failure; see berth/error.h. */
#ifndef BERTH_LIB_ERROR_H
#define BERTH_LIB_ERROR_H

#include <berth/errno.h>
#include <berth/error.h>

/*
 * Start a record of the calling thread: everything but code, reason and subject is zero. The
 * caller fills in the fields that the reason names. @subject is copied, cut if too long; may be
 * NULL. Never fails, any context.
 */
struct berth_error *berth_error_set(int code, enum berth_reason reason, const char *subject);

/* The record's code, for "return berth_fail(...)". */
static inline int berth_fail(int code, enum berth_reason reason, const char *subject)
{
	berth_error_set(code, reason, subject);
	return code;
}

/* berth_fail() with the value of the argument or address in question. */
static inline int berth_fail_at(int code, enum berth_reason reason, const char *subject,
				uint64_t address)
{
	berth_error_set(code, reason, subject)->address = address;
	return code;
}

/* berth_fail() with a length and the limit that it met. */
static inline int berth_fail_limit(int code, enum berth_reason reason, const char *subject,
				   uint64_t length, uint64_t limit)
{
	struct berth_error *error = berth_error_set(code, reason, subject);

	error->length = length;
	error->limit = limit;
	return code;
}

#endif
