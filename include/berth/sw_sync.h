/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: sw_sync - fences that a program signals (Linux: sync/sw_sync of debugfs)
 *
 * Each open file of /dev/sw_sync is a timeline, a counter that begins at 0. A program makes fences for
 * values of it, as sync files (berth/sync_file.h), and counts. A program can fail to: every fence has a
 * deadline, at which it ends with -ETIMEDOUT, and when the file is closed, as it is when the program dies,
 * those that are left end with -ENOENT. A line on the console names the fence and the program.
 */
#ifndef BERTH_SW_SYNC_H
#define BERTH_SW_SYNC_H

#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/* Requests of ioctl(). The first two are Linux's. The last sets the milliseconds of fences made from then on. */
#define BERTH_SW_SYNC_IOC_CREATE_FENCE 0xc0285700u
#define BERTH_SW_SYNC_IOC_INC 0x40045701u
#define BERTH_SW_SYNC_IOC_SET_TIMEOUT 0x40045742u

/* Of a fence whose program has not said otherwise; the longest that it may say; milliseconds. */
#define BERTH_SW_SYNC_TIMEOUT 10000u
#define BERTH_SW_SYNC_TIMEOUT_MOST 60000u

/* Fences of one timeline that are not signalled. */
#define BERTH_SW_SYNC_FENCES 1024u

/**
 * struct berth_sw_sync_create_fence_data - argument of BERTH_SW_SYNC_IOC_CREATE_FENCE
 * @value: at which the counter has to be
 * @name: for reports
 * @fence: out: the sync file's number
 */
struct berth_sw_sync_create_fence_data {
	uint32_t value;
	char name[32];
	int32_t fence;
};

/**
 * berth_sw_sync_offer() - programs can open /dev/sw_sync
 *
 * Until berth_stop(). May be called again. May sleep. Return: 0 or a negative errno value, as berth_node_register().
 */
int BERTH_MUST_CHECK berth_sw_sync_offer(void);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
