/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is asked about a fault in memory that may move. */
#ifndef BERTH_MM_USER_H
#define BERTH_MM_USER_H

#include <berth/types.h>

/**
 * struct berth_user_range - addresses of berth_port_user_reserve(), and their owner
 * @virt: first
 * @size: bytes
 * @fault: a thread may not do what it does at @offset; see berth_fault_handle(). Called with no lock
 *	held, on any thread, for several faults at once
 * @data: handed to @fault
 *
 * The owner's memory; nothing of it is changed between register and unregister.
 */
struct berth_user_range {
	void *virt;
	uint64_t size;
	int (*fault)(void *data, uint64_t offset, bool is_write);
	void *data;

	/* Under the lock of all ranges. */
	struct berth_user_range *next, *prev;
	uint32_t calls; /* of @fault that are under way */
};

/*
 * From now on berth_fault_handle() asks @range->fault. Return: 0, -EINVAL without a function or a
 * size, or -EEXIST if an address of it has an owner already.
 */
int berth_user_range_register(struct berth_user_range *range);

/*
 * Ask no more. On return no call of @range->fault is under way. May sleep; the caller holds nothing
 * that such a call waits for.
 */
void berth_user_range_unregister(struct berth_user_range *range);

/* Free what is left of berth_anon_alloc()'s memory; nobody uses it any more. */
void berth_anon_reset(void);
/* Write and forget what is cached, and unmap it; nobody uses it any more. */
void berth_filecache_reset(void);

struct page;

/*
 * The page behind @offset of a mapping of a file, @data of its range, with a reference, in memory; if
 * @is_write it counts as written to from now on. May sleep. Return: 0 or a negative errno value with
 * its reason.
 */
int berth_filemap_page(void *data, uint64_t offset, bool is_write, struct page **page);
/* The same for an address in a mapping. */
int berth_filecache_page(void *virt, bool is_write, struct page **page);

#endif
