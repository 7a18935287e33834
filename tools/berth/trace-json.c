// SPDX-License-Identifier: BSD-2-Clause
/*
 * The format of Chrome's tracing, which Perfetto reads: an object with a list of events. Tracks are
 * threads of made-up processes. What begins at one time and ends at another, in any order, is a pair
 * of events with a number of its own ("b", "e"); who has a buffer is a slice ("X") at each time.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <berth/dma-direction.h>

#include "trace.h"

/* The made-up processes. */
enum track { TRACK_DEVICES = 1, TRACK_BUFFERS, TRACK_MEMORY, TRACK_FENCES, TRACKS };

#define MOST_OWNERS 8
#define NOBODY "nobody"

/* Something that has begun and not ended. */
struct open_pair {
	enum track track;
	unsigned int thread;
	const char *category;
	char name[64];
	char who[48];
	const void *object;
	uint64_t address;
	uint64_t number;
};

struct thread {
	enum track track;
	char name[64];
};

/* A shared buffer: of those who have it the last one counts. */
struct buffer {
	const void *object;
	unsigned int thread, number;
	char name[48];
	char owners[MOST_OWNERS][48];
	unsigned int nr_owners;
	uint64_t since;
};

struct trace_file {
	FILE *out;
	bool has_event;
	uint64_t ns; /* of the last one: time does not go back */
	uint64_t next_number;
	struct open_pair *pairs;
	size_t nr_pairs, max_pairs;
	struct thread *threads;
	size_t nr_threads, max_threads;
	struct buffer *buffers;
	size_t nr_buffers, max_buffers;
	unsigned int exported;
	uint64_t cma_used;
	bool out_of_memory;
};

/* One more element of a list that grows; NULL for want of memory. */
static void *add(struct trace_file *f, void *list, size_t *nr, size_t *max, size_t size)
{
	void **at = list;

	if (*nr == *max) {
		size_t more = *max ? *max * 2 : 16;
		void *grown = realloc(*at, more * size);

		if (!grown) {
			f->out_of_memory = true;
			return NULL;
		}
		*at = grown;
		*max = more;
	}
	memset((char *)*at + *nr * size, 0, size);
	return (char *)*at + (*nr)++ * size;
}

/* Names of a tree may be any bytes. */
static void text(FILE *out, const char *bytes)
{
	putc('"', out);
	for (; *bytes; bytes++) {
		unsigned char byte = (unsigned char)*bytes;

		if (byte == '"' || byte == '\\')
			fprintf(out, "\\%c", byte);
		else if (byte < 0x20 || byte >= 0x7f)
			fprintf(out, "\\u%04x", byte);
		else
			putc(byte, out);
	}
	putc('"', out);
}

static void begin_event(struct trace_file *f, const char *phase, const char *name, enum track track,
			unsigned int thread, uint64_t ns)
{
	fprintf(f->out, "%s{\"ph\": \"%s\", \"pid\": %u, \"tid\": %u, \"name\": ",
		f->has_event ? ",\n" : "\n", phase, (unsigned int)track, thread);
	text(f->out, name);
	if (*phase != 'M')
		fprintf(f->out, ", \"ts\": %" PRIu64 ".%03u", ns / 1000, (unsigned int)(ns % 1000));
	f->has_event = true;
}

static void name_track(struct trace_file *f, const char *what, enum track track,
		       unsigned int thread, const char *name)
{
	begin_event(f, "M", what, track, thread, 0);
	fputs(", \"args\": {\"name\": ", f->out);
	text(f->out, name);
	fputs("}}", f->out);
}

/* The track of that name; a new one if @fresh, or if there is none. Threads count from 1. */
static unsigned int thread_of(struct trace_file *f, enum track track, const char *name, bool fresh)
{
	struct thread *thread;

	for (size_t i = 0; i < f->nr_threads && !fresh; i++)
		if (f->threads[i].track == track && !strcmp(f->threads[i].name, name))
			return (unsigned int)i + 1;
	thread = add(f, &f->threads, &f->nr_threads, &f->max_threads, sizeof(*thread));
	if (!thread)
		return 0;
	thread->track = track;
	snprintf(thread->name, sizeof(thread->name), "%s", name);
	name_track(f, "thread_name", track, (unsigned int)f->nr_threads, name);
	return (unsigned int)f->nr_threads;
}

static const char *direction(int dir)
{
	static const char *const names[] = {
		[DMA_BIDIRECTIONAL] = "both",
		[DMA_TO_DEVICE] = "to device",
		[DMA_FROM_DEVICE] = "from device",
	};

	return dir >= 0 && dir < 3 ? names[dir] : "none";
}

static void range_args(struct trace_file *f, const struct trace_record *r)
{
	fprintf(f->out, ", \"args\": {\"address\": \"0x%" PRIx64 "\", \"bytes\": %" PRIu64,
		r->address, r->length);
	if (r->other)
		fprintf(f->out, ", \"other\": \"0x%" PRIx64 "\"", r->other);
	switch (r->kind) {
	case BERTH_TRACE_DMA_MAP:
	case BERTH_TRACE_SYNC_FOR_CPU:
	case BERTH_TRACE_SYNC_FOR_DEVICE:
	case BERTH_TRACE_BOUNCE:
		fprintf(f->out, ", \"direction\": \"%s\"", direction(r->detail));
		break;
	default:
		fprintf(f->out, ", \"detail\": %d", r->detail);
	}
	if (r->name[0]) {
		fputs(", \"name\": ", f->out);
		text(f->out, r->name);
	}
	fputs("}}", f->out);
}

static void instant(struct trace_file *f, const struct trace_record *r, enum track track,
		    const char *thread)
{
	begin_event(f, "i", berth_trace_name((enum berth_trace_kind)r->kind), track,
		    thread_of(f, track, thread, false), f->ns);
	fputs(", \"s\": \"t\"", f->out);
	range_args(f, r);
}

/* Pairs. */

static void pair_event(struct trace_file *f, const char *phase, const struct open_pair *pair)
{
	begin_event(f, phase, pair->name, pair->track, pair->thread, f->ns);
	fprintf(f->out, ", \"cat\": \"%s\", \"id\": \"%" PRIu64 "\"", pair->category, pair->number);
}

static void begin_pair(struct trace_file *f, const struct trace_record *r,
		       const struct open_pair *what)
{
	struct open_pair *pair = add(f, &f->pairs, &f->nr_pairs, &f->max_pairs, sizeof(*pair));

	if (!pair)
		return;
	*pair = *what;
	pair->object = r->object;
	pair->address = r->address;
	pair->number = ++f->next_number;
	snprintf(pair->who, sizeof(pair->who), "%s", r->dev);
	pair_event(f, "b", pair);
	range_args(f, r);
}

static void end_at(struct trace_file *f, size_t at)
{
	pair_event(f, "e", &f->pairs[at]);
	fputs("}", f->out);
	f->pairs[at] = f->pairs[--f->nr_pairs];
}

/* What began before there was a trace has no end in it either. */
static void end_pair(struct trace_file *f, const struct trace_record *r, const char *category)
{
	for (size_t i = f->nr_pairs; i--;) {
		const struct open_pair *pair = &f->pairs[i];

		if (strcmp(pair->category, category) || pair->object != r->object ||
		    pair->address != r->address || strcmp(pair->who, r->dev))
			continue;
		end_at(f, i);
		return;
	}
}

static void begin_on(struct trace_file *f, const struct trace_record *r, enum track track,
		     const char *thread, const char *category, const char *name)
{
	struct open_pair pair = { .track = track, .category = category };

	pair.thread = thread_of(f, track, thread, false);
	snprintf(pair.name, sizeof(pair.name), "%s", name);
	begin_pair(f, r, &pair);
}

/* Buffers. */

static const char *owner_of(const struct buffer *buffer)
{
	return buffer->nr_owners ? buffer->owners[buffer->nr_owners - 1] : NOBODY;
}

static void write_slice(struct trace_file *f, struct buffer *buffer)
{
	uint64_t ns = f->ns - buffer->since;

	begin_event(f, "X", owner_of(buffer), TRACK_BUFFERS, buffer->thread, buffer->since);
	fprintf(f->out, ", \"dur\": %" PRIu64 ".%03u, \"cat\": \"owner\"}", ns / 1000,
		(unsigned int)(ns % 1000));
	buffer->since = f->ns;
}

/* Its users may call it something else later. */
static void name_buffer(struct trace_file *f, struct buffer *buffer, const char *name)
{
	struct thread *thread = &f->threads[buffer->thread - 1];

	snprintf(buffer->name, sizeof(buffer->name), "%s", name);
	snprintf(thread->name, sizeof(thread->name), "buffer %u: %s", buffer->number, name);
	name_track(f, "thread_name", TRACK_BUFFERS, buffer->thread, thread->name);
}

static struct buffer *known_buffer(struct trace_file *f, const struct trace_record *r)
{
	for (size_t i = 0; i < f->nr_buffers; i++) {
		struct buffer *buffer = &f->buffers[i];

		if (buffer->object != r->object)
			continue;
		if (r->name[0] && strcmp(buffer->name, r->name))
			name_buffer(f, buffer, r->name);
		return buffer;
	}
	return NULL;
}

static struct buffer *buffer_of(struct trace_file *f, const struct trace_record *r)
{
	struct buffer *buffer = known_buffer(f, r);
	char name[64];

	if (buffer)
		return buffer;
	buffer = add(f, &f->buffers, &f->nr_buffers, &f->max_buffers, sizeof(*buffer));
	if (!buffer)
		return NULL;
	buffer->object = r->object;
	buffer->since = f->ns;
	buffer->number = ++f->exported;
	snprintf(buffer->name, sizeof(buffer->name), "%s", r->name);
	snprintf(name, sizeof(name), "buffer %u%s%s", buffer->number, r->name[0] ? ": " : "",
		 r->name);
	buffer->thread = thread_of(f, TRACK_BUFFERS, name, true);
	return buffer;
}

static void push_owner(struct trace_file *f, struct buffer *buffer, const char *owner)
{
	if (buffer->nr_owners == MOST_OWNERS)
		return;
	write_slice(f, buffer);
	snprintf(buffer->owners[buffer->nr_owners++], sizeof(buffer->owners[0]), "%s", owner);
}

/* The last time that it got it; the others stay in their order. */
static void pop_owner(struct trace_file *f, struct buffer *buffer, const char *owner)
{
	unsigned int at = buffer->nr_owners;

	while (at && strcmp(buffer->owners[at - 1], owner))
		at--;
	if (!at)
		return;
	if (at == buffer->nr_owners)
		write_slice(f, buffer);
	buffer->nr_owners--;
	memmove(buffer->owners[at - 1], buffer->owners[at],
		(buffer->nr_owners - (at - 1)) * sizeof(buffer->owners[0]));
}

static void buffer_event(struct trace_file *f, const struct trace_record *r)
{
	struct buffer *buffer = buffer_of(f, r);

	if (!buffer)
		return;
	switch (r->kind) {
	case BERTH_TRACE_BUF_MAP:
	case BERTH_TRACE_BUF_BEGIN_ACCESS:
	case TRACE_OWNER:
		push_owner(f, buffer, r->dev);
		return;
	case BERTH_TRACE_BUF_UNMAP:
	case BERTH_TRACE_BUF_END_ACCESS:
	case TRACE_NO_OWNER:
		pop_owner(f, buffer, r->dev);
		return;
	case BERTH_TRACE_BUF_BEGIN_CPU:
		push_owner(f, buffer, "CPU");
		return;
	case BERTH_TRACE_BUF_END_CPU:
		pop_owner(f, buffer, "CPU");
		return;
	case BERTH_TRACE_BUF_RELEASE:
		write_slice(f, buffer);
		*buffer = f->buffers[--f->nr_buffers];
		return;
	default:
		if (r->kind != BERTH_TRACE_BUF_EXPORT)
			instant(f, r, TRACK_BUFFERS, f->threads[buffer->thread - 1].name);
	}
}

/* Memory. */

static void count_area(struct trace_file *f, uint64_t used)
{
	f->cma_used = used;
	begin_event(f, "C", "bytes given by areas", TRACK_MEMORY, 0, f->ns);
	fprintf(f->out, ", \"args\": {\"bytes\": %" PRIu64 "}}", used);
}

static void memory_event(struct trace_file *f, const struct trace_record *r)
{
	char name[64];

	switch (r->kind) {
	case BERTH_TRACE_CMA_ALLOC:
		if (r->detail) {
			instant(f, r, TRACK_MEMORY, r->name);
			return;
		}
		snprintf(name, sizeof(name), "%" PRIu64 " KiB", r->length / 1024);
		begin_on(f, r, TRACK_MEMORY, r->name, "area", name);
		count_area(f, f->cma_used + r->length);
		return;
	case BERTH_TRACE_CMA_RELEASE:
		end_pair(f, r, "area");
		count_area(f, r->length < f->cma_used ? f->cma_used - r->length : 0);
		return;
	default:
		instant(f, r, TRACK_MEMORY, r->kind == BERTH_TRACE_MIGRATE ? "moved" : "dropped");
	}
}

static void fence_event(struct trace_file *f, const struct trace_record *r)
{
	char name[64];

	snprintf(name, sizeof(name), "%" PRIu64 ":%" PRIu64, r->address, r->other);
	switch (r->kind) {
	case BERTH_TRACE_FENCE_INIT:
		begin_on(f, r, TRACK_FENCES, "fences", "fence", name);
		return;
	case BERTH_TRACE_FENCE_SIGNAL:
		end_pair(f, r, "fence");
		return;
	case BERTH_TRACE_FENCE_WAIT:
		begin_on(f, r, TRACK_FENCES, "waits", "wait", name);
		return;
	default:
		end_pair(f, r, "wait");
	}
}

static void device_event(struct trace_file *f, const struct trace_record *r)
{
	const char *dev = r->dev[0] ? r->dev : "unknown device";
	char name[64];

	switch (r->kind) {
	case BERTH_TRACE_DMA_MAP:
		snprintf(name, sizeof(name), "%" PRIu64 " bytes", r->length);
		begin_on(f, r, TRACK_DEVICES, dev, "mapping", name);
		return;
	case BERTH_TRACE_DMA_UNMAP:
		end_pair(f, r, "mapping");
		return;
	case BERTH_TRACE_DMA_ALLOC:
		snprintf(name, sizeof(name), "%" PRIu64 " bytes", r->length);
		begin_on(f, r, TRACK_DEVICES, dev, "memory", name);
		return;
	case BERTH_TRACE_DMA_FREE:
		end_pair(f, r, "memory");
		return;
	case BERTH_TRACE_DMA_SUBMIT:
		begin_on(f, r, TRACK_DEVICES, dev, "transfer", r->name);
		return;
	case BERTH_TRACE_DMA_COMPLETE:
		end_pair(f, r, "transfer");
		return;
	default:
		instant(f, r, TRACK_DEVICES, dev);
	}
}

void trace_file_write(struct trace_file *f, const struct trace_record *r)
{
	/* Threads may have taken their places in another order than the time. */
	if (r->ns > f->ns)
		f->ns = r->ns;
	if (r->kind >= BERTH_TRACE_BUF_EXPORT)
		buffer_event(f, r);
	else if (r->kind >= BERTH_TRACE_FENCE_INIT)
		fence_event(f, r);
	else if (r->kind >= BERTH_TRACE_CMA_ALLOC && r->kind <= BERTH_TRACE_RECLAIM)
		memory_event(f, r);
	else
		device_event(f, r);
}

struct trace_file *trace_file_open(const char *path)
{
	static const char *const names[TRACKS] = {
		[TRACK_DEVICES] = "devices",
		[TRACK_BUFFERS] = "buffers: who has them",
		[TRACK_MEMORY] = "memory",
		[TRACK_FENCES] = "fences",
	};
	struct trace_file *f = calloc(1, sizeof(*f));

	if (f)
		f->out = fopen(path, "w");
	if (!f || !f->out) {
		free(f);
		return NULL;
	}
	fputs("{\"displayTimeUnit\": \"ns\", \"traceEvents\": [", f->out);
	for (unsigned int track = 1; track < TRACKS; track++)
		name_track(f, "process_name", (enum track)track, 0, names[track]);
	return f;
}

int trace_file_close(struct trace_file *f, const uint64_t counts[TRACE_KINDS], uint64_t lost)
{
	bool failed;

	while (f->nr_pairs)
		end_at(f, f->nr_pairs - 1);
	for (size_t i = 0; i < f->nr_buffers; i++)
		write_slice(f, &f->buffers[i]);
	fprintf(f->out, "\n],\n\"otherData\": {\"clock\": \"virtual\", \"lost\": %" PRIu64, lost);
	for (unsigned int kind = 0; kind < BERTH_TRACE_KINDS; kind++)
		fprintf(f->out, ", \"%s\": %" PRIu64, berth_trace_name((enum berth_trace_kind)kind),
			counts[kind]);
	fputs("}}\n", f->out);
	errno = 0;
	failed = f->out_of_memory | ferror(f->out) | fclose(f->out);
	if (failed && !errno)
		errno = f->out_of_memory ? ENOMEM : EIO;
	free(f->pairs);
	free(f->threads);
	free(f->buffers);
	free(f);
	return failed ? -1 : 0;
}
