/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is asked about a fault in memory that may move. */
#ifndef BERTH_MM_USER_H
#define BERTH_MM_USER_H

#include <berth/types.h>

struct page;

/**
 * struct berth_user_range - addresses of berth_port_user_reserve(), and their owner
 * @virt: first
 * @size: bytes
 * @fault: a thread may not do what it does at @offset; see berth_fault_handle(). Called with no lock
 *	held, on any thread, for several faults at once
 * @page: the page behind @offset, brought into memory, with a reference; if @is_write it counts as
 *	written to from now on. Called as @fault is, but on the caller's thread. Return: 0 or a negative
 *	errno value with its reason. NULL: its pages cannot be pinned
 * @data: handed to both
 *
 * The owner's memory; nothing of it is changed between register and unregister.
 */
struct berth_user_range {
	void *virt;
	uint64_t size;
	int (*fault)(void *data, uint64_t offset, bool is_write);
	int (*page)(void *data, uint64_t offset, bool is_write, struct page **page);
	void *data;

	/* Under the lock of all ranges. */
	struct berth_user_range *next, *prev;
	uint32_t calls; /* of both that are under way */
};

/*
 * From now on berth_fault_handle() asks @range->fault. Return: 0, -EINVAL without a function or a
 * size, or -EEXIST if an address of it has an owner already.
 */
int berth_user_range_register(struct berth_user_range *range);

/*
 * Ask no more. On return no call of its functions is under way. May sleep; the caller holds nothing
 * that such a call waits for.
 */
void berth_user_range_unregister(struct berth_user_range *range);

/* Free what is left of berth_anon_alloc()'s memory; nobody uses it any more. */
void berth_anon_reset(void);
/* Write and forget what is cached, and unmap it; nobody uses it any more. */
void berth_filecache_reset(void);

/* struct berth_user_range::page of the range around @virt. -EFAULT (NOT_OWNED): it is nobody's. */
int berth_user_page(void *virt, bool is_write, struct page **page);

#endif
