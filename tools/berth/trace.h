/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `--trace`: what berth tells of itself (berth/trace.h), as a file for https://ui.perfetto.dev: a track
 * for each device and one for each shared buffer, on which a slice says who has it. Time is the
 * model's.
 */
#ifndef TOOL_TRACE_H
#define TOOL_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include <berth/trace.h>

/* Behind berth's own kinds: somebody outside of berth has a buffer, or has it no more. */
enum { TRACE_OWNER = BERTH_TRACE_KINDS, TRACE_NO_OWNER, TRACE_KINDS };

/* What a thread tells, until it is written; dev and name are "" for none. */
struct trace_record {
	uint32_t turn; /* private */
	uint32_t kind;
	int detail;
	uint64_t ns;
	const void *object;
	uint64_t address, length, other;
	char dev[48], name[48];
};

struct trace;

/*
 * From now on, and before berth starts: everything is told to @path. NULL with a line in @error if it
 * cannot be written.
 */
struct trace *trace_open(const char *path, char *error, size_t size);

/* Write what there is; by one thread. What has been told since then must fit into a ring. */
void trace_flush(struct trace *trace);

/* A process has a buffer, or has it no more. */
void trace_owner(struct trace *trace, const void *buffer, const char *owner);
void trace_no_owner(struct trace *trace, const void *buffer, const char *owner);

/* How often something happened, as far as it is written. */
uint64_t trace_count(const struct trace *trace, unsigned int kind);

/* The file is complete, whatever happened. 0, or -1 with a line in @error; NULL is ignored. */
int trace_close(struct trace *trace, char *error, size_t size);

/* The file (trace-json.c); by one thread. */

struct trace_file;

/* NULL with errno. */
struct trace_file *trace_file_open(const char *path);
void trace_file_write(struct trace_file *file, const struct trace_record *record);
/* 0, or -1 with errno. */
int trace_file_close(struct trace_file *file, const uint64_t counts[TRACE_KINDS], uint64_t lost);

#endif
