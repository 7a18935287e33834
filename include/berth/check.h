/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: check - which of the two libraries this is
 *
 * A program that is built with BERTH_CHECKED is linked with libberth-check, in which the checker
 * follows every buffer's owner; berth_start() refuses a mixture.
 */
#ifndef BERTH_CHECK_H
#define BERTH_CHECK_H

#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/** berth_is_checked() - whether this library has the checker. Any context. */
bool berth_is_checked(void);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
