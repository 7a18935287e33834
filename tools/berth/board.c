// SPDX-License-Identifier: BSD-2-Clause
/* Boards as files: a flattened device tree, or a source that dtc compiles; and how large they are. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <berth/board.h>
#include <berth/memblock.h>

#include "run.h"

#define FDT_MAGIC 0xd00dfeedu
#define FDT_HEADER 40
#define MAX_BOARD (64u << 20)

struct bytes {
	unsigned char *data;
	size_t size;
};

/* All that comes from a file descriptor, with a zero behind it. 0, or an errno value. */
static int read_all(int fd, struct bytes *bytes)
{
	size_t room = 0;
	ssize_t got;

	bytes->data = NULL;
	bytes->size = 0;
	do {
		if (room - bytes->size < 2) {
			unsigned char *data = realloc(bytes->data, room + 65536);

			if (!data || room >= MAX_BOARD) {
				free(data ? data : bytes->data);
				return data ? EFBIG : ENOMEM;
			}
			bytes->data = data;
			room += 65536;
		}
		got = read(fd, bytes->data + bytes->size, room - bytes->size - 1);
		if (got > 0)
			bytes->size += (size_t)got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got < 0) {
		free(bytes->data);
		return errno;
	}
	bytes->data[bytes->size] = 0;
	return 0;
}

static uint32_t big_endian(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool is_flattened(const struct bytes *bytes)
{
	return bytes->size >= FDT_HEADER && big_endian(bytes->data) == FDT_MAGIC;
}

/* In the child: never returns. */
static void exec_dtc(const char *path, int out, int err)
{
	if (dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
		_exit(126);
	execlp("dtc", "dtc", "-q", "-I", "dts", "-O", "dtb", "-o", "-", "--", path, (char *)NULL);
	_exit(127);
}

static void describe_failure(const char *path, int status, int err, char *error, size_t size)
{
	struct bytes said = { 0 };

	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		snprintf(error, size, "%s: dtc is needed to compile it and cannot be run", path);
		return;
	}
	if (lseek(err, 0, SEEK_SET) || read_all(err, &said) || !said.size) {
		snprintf(error, size, "%s: dtc cannot compile it", path);
	} else {
		char *line = (char *)said.data;

		line[strcspn(line, "\n")] = '\0';
		snprintf(error, size, "%s: dtc cannot compile it: %s", path, line);
	}
	free(said.data);
}

/* @name: how it is called in @error. */
static bool compile(const char *path, const char *name, struct bytes *bytes, char *error,
		    size_t size)
{
	int out = memfd_create("dtb", MFD_CLOEXEC), err = memfd_create("dtc", MFD_CLOEXEC);
	int status = 0, reason = 0;
	bool is_good = false;
	pid_t child;

	child = out < 0 || err < 0 ? -1 : fork();
	if (!child)
		exec_dtc(path, out, err);
	if (child < 0) {
		snprintf(error, size, "%s: dtc cannot be started: %s", name, strerror(errno));
		goto close;
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (status) {
		describe_failure(name, status, err, error, size);
		goto close;
	}
	lseek(out, 0, SEEK_SET);
	reason = read_all(out, bytes);
	if (reason)
		snprintf(error, size, "%s: %s", name, strerror(reason));
	is_good = !reason;
close:
	if (out >= 0)
		close(out);
	if (err >= 0)
		close(err);
	return is_good;
}

void *board_load(const char *path, char *error, size_t size)
{
	struct bytes bytes;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int reason = fd < 0 ? errno : read_all(fd, &bytes);

	if (fd >= 0)
		close(fd);
	if (reason) {
		snprintf(error, size, "%s: %s", path, strerror(reason));
		return NULL;
	}
	if (!is_flattened(&bytes)) {
		const char *dot = strrchr(path, '.');

		free(bytes.data);
		if (!dot || strcmp(dot, ".dts")) {
			snprintf(error, size, "%s: neither a flattened device tree nor a .dts",
				 path);
			return NULL;
		}
		if (!compile(path, path, &bytes, error, size))
			return NULL;
	}
	if (is_flattened(&bytes) && big_endian(bytes.data + 4) <= bytes.size)
		return bytes.data;
	free(bytes.data);
	snprintf(error, size, "%s: the device tree is cut short", path);
	return NULL;
}

void *board_compile(const char *source, char *error, size_t size)
{
	/* dtc is to find it. */
	const int file = memfd_create("dts", 0);
	const size_t length = strlen(source);
	struct bytes bytes = { 0 };
	bool is_good = false;
	char path[40];

	if (file < 0 || write(file, source, length) != (ssize_t)length) {
		snprintf(error, size, "board: %s", strerror(errno));
	} else {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
		is_good = compile(path, "board", &bytes, error, size);
	}
	if (file >= 0)
		close(file);
	return is_good ? bytes.data : NULL;
}

static bool is_all_placed(void)
{
	struct berth_board_reserved reserved;

	for (unsigned int i = 0; berth_board_reserved(i, &reserved); i++)
		if (!reserved.is_placed)
			return false;
	return true;
}

/* The arguments with mem= behind them, which counts; whether all reservations have room then. */
static char *limit_to(const void *board, const struct berth_options *start, const char *given,
		      uint64_t limit, void *nodes, bool *fits)
{
	struct berth_options options = *start;
	size_t size = strlen(given) + sizeof(" mem=18446744073709551615");
	char *bootargs = malloc(size);

	*fits = false;
	if (!bootargs)
		return NULL;
	snprintf(bootargs, size, "%s mem=%llu", given, (unsigned long long)limit);
	options.bootargs = bootargs;
	if (!berth_board_open(board, &options, nodes))
		*fits = is_all_placed();
	berth_board_close();
	return bootargs;
}

char *board_limit(const void *board, const struct berth_options *start, uint64_t least,
		  uint64_t most, uint64_t *memory)
{
	size_t bytes = berth_board_bytes(board);
	void *nodes = bytes ? malloc(bytes) : NULL;
	const char *given = "";
	char *bootargs = NULL;
	bool fits = false;

	*memory = 0;
	if (nodes && !berth_board_open(board, start, nodes)) {
		*memory = memblock_phys_mem_size();
		of_property_read_string(of_find_node_by_path("/chosen"), "bootargs", &given);
		berth_board_close();
		for (uint64_t limit = least; !fits && limit < *memory && limit <= most;
		     limit *= 2) {
			free(bootargs);
			bootargs = limit_to(board, start, given, limit, nodes, &fits);
		}
		if (!fits && *memory <= most) {
			free(bootargs);
			bootargs = NULL;
		}
	}
	free(nodes);
	return bootargs;
}

void board_error(char *text, size_t size)
{
	berth_error_text(NULL, text, size);
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}
