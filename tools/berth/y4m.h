/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading and writing YUV4MPEG2 streams. Frames are counted from 0. */
#ifndef TOOL_Y4M_H
#define TOOL_Y4M_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define Y4M_MAX_HEADER 1024
#define Y4M_MAX_FRAME_BYTES (256u << 20)
/* What may follow the word FRAME on its line. */
#define Y4M_MAX_TEXT 112

struct y4m_format {
	uint32_t width, height;
	/* frames per second as a fraction; 0 if the stream does not say */
	uint32_t rate, rate_scale;
	size_t frame_bytes;
	char header[Y4M_MAX_HEADER]; /* the first line, as it was read, without the newline */
};

struct y4m_reader {
	FILE *file;
	const char *name;
	struct y4m_format format;
	uint64_t frame; /* the next one */
	uint64_t offset; /* bytes read */
	char error[256]; /* one line: file, frame, byte, what is wrong */
};

/* Open a file, "-" for standard input, and read its header. 0, or -1 with reader->error. */
int y4m_open(struct y4m_reader *reader, const char *path);

/* The same for a stream that is open already; it is closed by y4m_close(). */
int y4m_open_stream(struct y4m_reader *reader, FILE *file, const char *name);

/*
 * Read a frame: format.frame_bytes bytes of picture and what follows the word FRAME, leading space
 * included, terminated, in @text of Y4M_MAX_TEXT + 1 bytes. 1, 0 at the end, -1 with reader->error.
 */
int y4m_read(struct y4m_reader *reader, void *picture, char *text);

void y4m_close(struct y4m_reader *reader);

/* Write the first line, and a frame. 0, or -1 with errno. */
int y4m_write_header(FILE *file, const char *header);
int y4m_write_frame(FILE *file, const void *picture, size_t size, const char *text);

#endif
