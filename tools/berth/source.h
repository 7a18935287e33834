/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the camera looks at: a file, or the camera's own test pattern. Frames are fetched ahead, so
 * that a buffer is queued only when there is a frame for it, and kept until they have been seen at
 * the other end.
 */
#ifndef TOOL_SOURCE_H
#define TOOL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "y4m.h"

#define SOURCE_MAX_AHEAD 8

struct source_frame {
	uint8_t *picture;
	char text[Y4M_MAX_TEXT + 1];
};

struct source {
	struct y4m_reader reader;
	bool is_file;
	struct y4m_format format;
	uint64_t limit; /* frames at most; 0: no limit */
	uint64_t fetched, taken, released;
	struct source_frame frames[SOURCE_MAX_AHEAD];
};

/* 0, or -1 with source->reader.error. @path NULL: the test pattern of that size. */
int source_open(struct source *source, const char *path, uint64_t limit, uint32_t width,
		uint32_t height);
void source_close(struct source *source);

/* Fetch one more frame. 1, 0 if there is no more, -1 with source->reader.error. */
int source_fetch(struct source *source);

/* A frame that was fetched and not yet released; NULL if it was not. */
const struct source_frame *source_frame(const struct source *source, uint64_t number);

/* The oldest frame is no longer needed. */
void source_release(struct source *source);

/* The next frame, as berth_model_camera_source() wants it. */
bool source_next(void *data, void *picture, size_t size, char *text, size_t text_size);

#endif
