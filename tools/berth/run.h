/* SPDX-License-Identifier: BSD-2-Clause */
/* The main job: frames go camera -> memory -> display on a board, and are compared at the end. */
#ifndef TOOL_RUN_H
#define TOOL_RUN_H

#include <berth/berth.h>
#include <berth/iommu.h>
#include <berth/mm.h>
#include <berth/model.h>
#include <berth/swiotlb.h>

#include "memory-log.h"
#include "network.h"
#include "scatter.h"
#include "tenants.h"
#include "trace.h"

#define RUN_MAX_MEM 8
/* Of a board's memory, which is held three times and filled: enough for its reservations. */
#define RUN_MEMORY_LEAST (512ull << 20)
#define RUN_MEMORY_MOST (1024ull << 20)
#define RUN_BUFFERS 4
#define RUN_TRIES 100

/* Exit statuses of the command. */
enum { RUN_DONE, RUN_FOUND, RUN_UNUSABLE };

struct run_options {
	const void *board; /* a flattened device tree */
	const char *video, *out; /* files, or NULL */
	uint64_t frames; /* at most; 0: all of the file, 60 of the test pattern */
	uint32_t width, height; /* of the test pattern; 0: 320x240 */
	struct berth_model_config model;
	struct berth_range mem[RUN_MAX_MEM];
	unsigned int nr_mem;
	bool tenants; /* all memory is in use before the devices start */
	bool is_protection_chosen; /* else as the board says */
	enum berth_protection protection; /* of the display */
	bool verbose;
	struct memory_log *log; /* filled in if not NULL; memory_log_free() is the caller's */
	struct trace *trace; /* NULL: none */
	void (*progress)(void *data, uint64_t frame, uint64_t frames);
	void *progress_data;
};

/* What went through a decoder to another process. */
struct run_pipeline {
	bool is_there;
	uint64_t coded_bytes; /* what the camera wrote, and the decoder read */
	unsigned int pictures; /* buffers of theirs */
	uint64_t pieces; /* of a picture's memory */
	uint64_t fences; /* made and signalled */
	uint64_t fences_failed; /* of them, with an error */
	uint64_t seen; /* pictures, by the other process */
	uint64_t cleans, invalidates; /* of buffers that passed from one side to the other */
	uint64_t damaged; /* streams that the decoder refused */
};

struct run_latency {
	unsigned int samples;
	uint64_t median_ns, p99_ns, max_ns;
};

/* Pages of a frame buffer, and who had them before. */
struct run_buffer {
	uint64_t pages, held[TENANT_KINDS];
};

struct run_result {
	char error[512]; /* why it failed, or why it cannot be done; "" if neither */
	char missing[64]; /* what the board needs to send frames; "" if it has all */
	uint64_t board_memory;
	bool is_limited; /* not all of it is used */
	uint32_t width, height;
	size_t frame_bytes;
	unsigned int buffers;
	struct run_buffer buffer[RUN_BUFFERS];
	struct tenant_work tenants;
	uint64_t frames_in, frames_out;
	uint64_t identical_display, identical_cpu;
	bool differs;
	char difference[160]; /* the first one */
	struct network_work network;
	struct scatter_work display;
	struct run_pipeline pipeline;
	struct berth_swiotlb_info bounce; /* of all devices */
	uint64_t copied; /* bytes of pictures that the CPU copied on their way */
	struct run_latency latency; /* of frame buffers, in host time */
	unsigned int tries, with_cma, without_cma; /* allocations of the size of a frame buffer */
	uint64_t cache_ops[3]; /* by enum berth_model_cache_op */
	bool dropped;
	enum berth_model_cache_op dropped_op;
	phys_addr_t dropped_phys;
	uint64_t dropped_size;
	struct berth_model_stats stats;
	struct berth_memory_info before, during, after;
};

/* Returns an exit status: RUN_DONE, RUN_FOUND or RUN_UNUSABLE. */
int run_job(const struct run_options *options, struct run_result *result);

/* `berth run`. */
int run_command(int argc, char **argv);

/* Read a board: a .dtb, or a .dts through dtc. Freed by the caller; NULL with a line in @error. */
void *board_load(const char *path, char *error, size_t size);
/* The same of a source in memory. */
void *board_compile(const char *source, char *error, size_t size);

/*
 * Boot arguments with which a board has @least bytes of memory and no more, or as many as all its
 * reservations have room in, up to @most; NULL if it has none to spare, or cannot be read. How many
 * it has goes to *@memory. Freed by the caller.
 */
char *board_limit(const void *board, const struct berth_options *start, uint64_t least,
		  uint64_t most, uint64_t *memory);

/* What berth says of its last failed call, in one line: names of a tree may be any bytes. */
void board_error(char *text, size_t size);

/* BASE:SIZE of --mem; false if it is none. */
bool parse_range(const char *text, struct berth_range *range);

void table_print(const struct run_options *options, const struct run_result *result);
void table_print_json(const struct run_options *options, const struct run_result *result);

/* Draw memory over time. 0, or -1 with a line in @error. */
int picture_write(const char *path, const struct memory_log *log, const struct run_result *result,
		  char *error, size_t size);

#endif
