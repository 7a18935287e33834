// SPDX-License-Identifier: BSD-2-Clause
/*
 * From berth's threads to the file. The hook is called in any context, in handlers of signals as well:
 * it takes a place of a ring, and one thread empties the ring.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <berth/device.h>
#include <berth/model.h>

#include "trace.h"

/* A power of two. Pages of it that were never used take no memory. */
#define RING (1u << 17)

struct trace {
	struct trace_file *file;
	const char *path;
	struct trace_record *ring;
	uint32_t head; /* the next place that is taken; by all threads */
	uint32_t tail; /* the next that is written; by one */
	uint64_t lost;
	uint64_t counts[TRACE_KINDS];
};

static void copy_name(char *to, size_t size, const char *from)
{
	size_t length = from ? strnlen(from, size - 1) : 0;

	if (length)
		memcpy(to, from, length);
	to[length] = '\0';
}

/* A place that is free in this turn of the ring has its number; one that is full, that plus 1. */
static struct trace_record *take(struct trace *trace, uint32_t *at)
{
	uint32_t head = __atomic_load_n(&trace->head, __ATOMIC_RELAXED);

	for (;;) {
		struct trace_record *record = &trace->ring[head % RING];
		uint32_t turn = __atomic_load_n(&record->turn, __ATOMIC_ACQUIRE);

		if (turn != head / RING * 2) {
			uint32_t now = __atomic_load_n(&trace->head, __ATOMIC_RELAXED);

			if (now == head) {
				__atomic_fetch_add(&trace->lost, 1, __ATOMIC_RELAXED);
				return NULL;
			}
			head = now;
			continue;
		}
		if (__atomic_compare_exchange_n(&trace->head, &head, head + 1, true,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			*at = head;
			return record;
		}
	}
}

static void put(struct trace_record *record, uint32_t at)
{
	__atomic_store_n(&record->turn, at / RING * 2 + 1, __ATOMIC_RELEASE);
}

/* @dev: a name. */
static void note(struct trace *trace, unsigned int kind, const struct berth_trace_event *event,
		 const char *dev)
{
	uint32_t at;
	struct trace_record *record = take(trace, &at);

	if (!record)
		return;
	record->kind = kind;
	record->detail = event->detail;
	record->ns = berth_model_time();
	record->object = event->object;
	record->address = event->address;
	record->length = event->length;
	record->other = event->other;
	copy_name(record->dev, sizeof(record->dev), dev);
	copy_name(record->name, sizeof(record->name), event->name);
	put(record, at);
}

static void told(const struct berth_trace_event *event, void *data)
{
	note(data, event->kind, event, event->dev ? dev_name(event->dev) : NULL);
}

static void tell_owner(struct trace *trace, unsigned int kind, const void *buffer,
		       const char *owner)
{
	const struct berth_trace_event event = { .object = buffer };

	if (trace)
		note(trace, kind, &event, owner);
}

void trace_owner(struct trace *trace, const void *buffer, const char *owner)
{
	tell_owner(trace, TRACE_OWNER, buffer, owner);
}

void trace_no_owner(struct trace *trace, const void *buffer, const char *owner)
{
	tell_owner(trace, TRACE_NO_OWNER, buffer, owner);
}

void trace_flush(struct trace *trace)
{
	while (trace) {
		struct trace_record *record = &trace->ring[trace->tail % RING];
		uint32_t full = trace->tail / RING * 2 + 1;

		if (__atomic_load_n(&record->turn, __ATOMIC_ACQUIRE) != full)
			return;
		trace->counts[record->kind]++;
		trace_file_write(trace->file, record);
		__atomic_store_n(&record->turn, full + 1, __ATOMIC_RELEASE);
		trace->tail++;
	}
}

uint64_t trace_count(const struct trace *trace, unsigned int kind)
{
	return trace->counts[kind];
}

static void trace_free(struct trace *trace)
{
	if (trace->ring)
		munmap(trace->ring, RING * sizeof(*trace->ring));
	free(trace);
}

struct trace *trace_open(const char *path, char *error, size_t size)
{
	struct trace *trace = calloc(1, sizeof(*trace));
	void *ring = trace ? mmap(NULL, RING * sizeof(*trace->ring), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
			   : MAP_FAILED;

	if (ring == MAP_FAILED) {
		snprintf(error, size, "%s: %s", path, strerror(ENOMEM));
		free(trace);
		return NULL;
	}
	trace->ring = ring;
	trace->path = path;
	trace->file = trace_file_open(path);
	if (!trace->file) {
		snprintf(error, size, "%s: %s", path, strerror(errno));
		trace_free(trace);
		return NULL;
	}
	if (berth_trace_set(told, trace)) {
		snprintf(error, size, "--trace: this berth was built without");
		trace_file_close(trace->file, trace->counts, 0);
		trace_free(trace);
		return NULL;
	}
	return trace;
}

int trace_close(struct trace *trace, char *error, size_t size)
{
	int ret;

	if (!trace)
		return 0;
	berth_trace_set(NULL, NULL);
	trace_flush(trace);
	ret = trace_file_close(trace->file, trace->counts, trace->lost);
	if (ret)
		snprintf(error, size, "%s: %s", trace->path, strerror(errno));
	trace_free(trace);
	return ret;
}
