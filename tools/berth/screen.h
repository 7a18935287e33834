/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other process of `berth run`, which looks at the pictures: it is given a descriptor of each buffer
 * once, is told when a picture is in one, reads it where it lies, and says that it is done.
 */
#ifndef TOOL_SCREEN_H
#define TOOL_SCREEN_H

#include <stddef.h>
#include <stdint.h>

#include "y4m.h"

/* The hidden command: berth --screen. */
#define SCREEN_COMMAND "--screen"
#define SCREEN_MOST_BUFFERS 8

struct screen;

/* A picture that lies in a buffer. */
struct screen_picture {
	uint32_t buffer;
	uint32_t sequence;
	uint32_t bytes;
	char text[Y4M_MAX_TEXT + 1];
};

/* What became of it. */
struct screen_answer {
	uint32_t buffer;
	uint32_t sequence;
	uint64_t sum; /* screen_sum() of what was seen */
};

uint64_t screen_sum(const void *bytes, size_t size);

/*
 * Start the process, before berth starts. What it sees goes to @out as frames of a YUV4MPEG2 stream, if
 * that is not negative; the descriptor stays the caller's. NULL with a line in @error.
 */
struct screen *screen_start(int out, char *error, size_t size);

/* "process 1234" */
const char *screen_name(const struct screen *screen);

/* Hand over a buffer by a descriptor that shows it. 0, or -1: why is in screen_error(). */
int screen_give(struct screen *screen, uint32_t buffer, int fd, size_t size);
int screen_show(struct screen *screen, const struct screen_picture *picture);

/* The next answer, in the order of the pictures; waits in host time. 0, or -1: it is dead, or dumb. */
int screen_answer(struct screen *screen, struct screen_answer *answer);

/* One line about what went wrong first. */
const char *screen_error(const struct screen *screen);

/*
 * It ends, when all it was given is written. 0; or -1 with a line in @error, if something went wrong, now or
 * before. One that does not end is done away with. NULL is ignored.
 */
int screen_end(struct screen *screen, char *error, size_t size);

/* The other end: the command itself. Returns an exit status. */
int screen_command(void);

#endif
