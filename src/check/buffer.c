// SPDX-License-Identifier: BSD-2-Clause
/* Buffers that devices share: who holds them, and when the CPU may look. */
#include "check/check.h"
#include "lib/string.h"

/* What is no more: the last ones. */
#define GONE 64u

static struct {
	const void *object;
	char name[64];
	struct berth_check_place place;
} gone[GONE];
static unsigned int next_gone, nr_gone;

/*
 * A buffer that the program has looked at or mapped. @record: where the CPU sees it; NULL: nowhere.
 * @has_been_mapped: some device may have other bytes than the caches.
 */
struct check_buffer {
	struct check_buffer *next;
	const void *buf;
	struct check_record *record;
	unsigned int views, reads, writes, attached;
	bool has_been_mapped;
};

static struct check_buffer *buffers;

static struct check_buffer *buffer_of(const void *buf, bool is_new)
{
	struct check_buffer *buffer = buffers;

	while (buffer && buffer->buf != buf)
		buffer = buffer->next;
	if (buffer || !is_new)
		return buffer;
	buffer = check_get(CHECK_OF_BUFFERS, sizeof(*buffer));
	if (!buffer)
		return NULL;
	buffer->buf = buf;
	buffer->next = buffers;
	buffers = buffer;
	return buffer;
}

static void forget_buffer(const void *buf)
{
	struct check_buffer **at = &buffers, *buffer;

	while (*at && (*at)->buf != buf)
		at = &(*at)->next;
	buffer = *at;
	if (!buffer)
		return;
	*at = buffer->next;
	if (buffer->record)
		check_record_drop(buffer->record);
	check_put(CHECK_OF_BUFFERS, buffer);
}

void berth_check_object_made(const void *object)
{
	unsigned long flags;

	if (!berth_check_is_on())
		return;
	flags = check_lock();
	forget_buffer(object);
	for (unsigned int i = 0; i < GONE; i++)
		if (gone[i].object == object)
			gone[i].object = NULL;
	check_unlock(flags);
}

void berth_check_object_gone(const void *object, const char *name, uintptr_t caller)
{
	unsigned long flags = check_lock();
	unsigned int i = next_gone++ % GONE;

	forget_buffer(object);
	gone[i].object = object;
	berth_strlcpy(gone[i].name, name, sizeof(gone[i].name));
	check_place_here(&gone[i].place, caller);
	__atomic_store_n(&nr_gone, 1, __ATOMIC_RELAXED);
	check_unlock(flags);
}

bool berth_check_object_used(const void *object, uintptr_t caller)
{
	struct check_record record = { .call = { .dir = DMA_NONE } };
	bool is_there = true;
	unsigned long flags;

	if (!__atomic_load_n(&nr_gone, __ATOMIC_RELAXED))
		return true;
	flags = check_lock();
	for (unsigned int i = 0; i < GONE && is_there; i++) {
		if (!object || gone[i].object != object)
			continue;
		is_there = false;
		record.place = gone[i].place;
		check_report(BERTH_CHECK_BUF_GONE, &record, gone[i].name, 0, 0, false, caller);
	}
	check_unlock(flags);
	return is_there;
}

/* The bytes are the CPU's as far as it has said that it looks at them. */
static void mark(const struct check_buffer *buffer)
{
	const struct check_call *call = buffer->record ? &buffer->record->call : NULL;
	uint8_t bits = 0;

	if (!call)
		return;
	if (buffer->has_been_mapped && !buffer->writes)
		bits = buffer->reads ? SHADOW_DEV_READ : SHADOW_DEV_READ | SHADOW_DEV_WRITE;
	check_shadow_clear(call->virt, call->size,
			   (uint8_t)((SHADOW_DEV_READ | SHADOW_DEV_WRITE) & ~bits));
	if (bits)
		check_shadow_set(call->virt, call->size, bits);
}

void berth_check_viewed(const struct check_call *call)
{
	unsigned long flags = check_lock();
	struct check_buffer *buffer = buffer_of(call->owner, true);

	if (buffer && !buffer->views++) {
		buffer->record = check_record_add(call);
		mark(buffer);
	}
	check_unlock(flags);
}

void berth_check_unviewed(const void *buf)
{
	unsigned long flags = check_lock();
	struct check_buffer *buffer = buffer_of(buf, false);

	if (buffer && buffer->views && !--buffer->views && buffer->record) {
		check_record_drop(buffer->record);
		buffer->record = NULL;
	}
	check_unlock(flags);
}

void berth_check_cpu_access(const void *buf, bool begin, bool writes)
{
	unsigned long flags = check_lock();
	struct check_buffer *buffer = buffer_of(buf, begin);
	unsigned int *count;

	if (buffer) {
		count = writes ? &buffer->writes : &buffer->reads;
		if (begin)
			++*count;
		else if (*count)
			--*count;
		mark(buffer);
	}
	check_unlock(flags);
}

unsigned int berth_check_attached(const void *buf, int change)
{
	unsigned long flags = check_lock();
	struct check_buffer *buffer = buffer_of(buf, change > 0);
	unsigned int nr = 0;

	if (buffer) {
		if (change > 0)
			buffer->attached++;
		else if (change < 0 && buffer->attached)
			buffer->attached--;
		nr = buffer->attached;
	}
	check_unlock(flags);
	return nr;
}

void berth_check_buf_mapped(const struct check_call *call, const void *buf)
{
	unsigned long flags = check_lock();
	struct check_record *record = check_record_find(call);
	struct check_buffer *buffer;

	/* A table that the exporter keeps is given out again. */
	if (!record || record->call.kind != CHECK_BUF || record->call.owner != call->owner ||
	    record->call.part_of != call->part_of)
		record = check_record_add(call);
	if (record)
		record->users++;
	buffer = buffer_of(buf, true);
	if (buffer) {
		buffer->has_been_mapped = true;
		mark(buffer);
	}
	check_unlock(flags);
}

void berth_check_buf_unmapped(const struct check_call *call)
{
	unsigned long flags = check_lock();
	struct check_record *record;
	uint64_t before = UINT64_MAX;
	bool is_told = false;

	while ((record = check_record_owned(call->dev, call->owner, before))) {
		before = record->order;
		if (record->call.kind != CHECK_BUF ||
		    (call->part_of && record->call.part_of != call->part_of))
			continue;
		if (record->call.dir != call->dir && call->dir != DMA_NONE && !is_told) {
			is_told = true;
			check_report(BERTH_CHECK_UNMAP_DIRECTION, record, call->name, 0, 0, false,
				     call->caller);
		}
		if (record->users > 1 && call->dir != DMA_NONE)
			record->users--;
		else
			check_record_drop(record);
	}
	check_unlock(flags);
}

void berth_check_buf_problem(enum berth_check_rule rule, const struct check_call *call)
{
	unsigned long flags = check_lock();
	const struct check_record *record = check_record_owned(call->dev, call->owner, UINT64_MAX);

	check_report(rule, record, call->name, 0, 0, false, call->caller);
	check_unlock(flags);
}

void check_buffers_reset(void)
{
	buffers = NULL;
	next_gone = 0;
	__atomic_store_n(&nr_gone, 0, __ATOMIC_RELAXED);
	__builtin_memset(gone, 0, sizeof(gone));
}
