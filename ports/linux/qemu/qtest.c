// SPDX-License-Identifier: BSD-2-Clause
/*
 * QEMU's qtest protocol: a line of text there and a line back. Lines about interrupts come at any
 * moment, also in front of an answer: those that an access has caused come before its answer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "qemu/internal.h"

/* True if anything came. */
static bool receive(int flags)
{
	ssize_t got;

	if (board.in_used) {
		memmove(board.in, board.in + board.in_used, board.in_size - board.in_used);
		board.in_size -= board.in_used;
		board.in_used = 0;
	}
	if (board.in_size == sizeof(board.in)) {
		berth_qemu_lose("QEMU: nonsense on the qtest socket");
		return false;
	}
	do
		got = recv(board.qtest, board.in + board.in_size, sizeof(board.in) - board.in_size,
			   flags);
	while (got < 0 && errno == EINTR);
	if (got > 0) {
		board.in_size += (size_t)got;
		return true;
	}
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		if (!(flags & MSG_DONTWAIT))
			berth_qemu_lose("QEMU: no answer in time");
	} else {
		berth_qemu_lose("QEMU: connection closed");
	}
	return false;
}

/* The next whole line that is there, terminated; NULL: none. */
static char *next_line(void)
{
	char *line = board.in + board.in_used;
	char *end = memchr(line, '\n', board.in_size - board.in_used);

	if (!end)
		return NULL;
	*end = 0;
	board.in_used = (size_t)(end + 1 - board.in);
	return line;
}

static bool is_interrupt(const char *line)
{
	bool is_raise = !strncmp(line, "IRQ raise ", 10);

	if (!is_raise && strncmp(line, "IRQ lower ", 10))
		return false;
	berth_qemu_set_line(QEMU_FIRST_SPI + (unsigned int)strtoul(line + 10, NULL, 10), is_raise);
	return true;
}

void berth_qemu_drain(void)
{
	char *line;

	do {
		/* No answer is expected: what is no interrupt is nothing. */
		while ((line = next_line()))
			is_interrupt(line);
	} while (!board.is_gone && receive(MSG_DONTWAIT));
}

static bool send_all(const char *text, size_t size)
{
	while (size) {
		ssize_t sent = send(board.qtest, text, size, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return false;
		text += sent;
		size -= (size_t)sent;
	}
	return true;
}

int berth_qemu_command(const char *command, uint64_t *value)
{
	char *line;

	if (!board.is_gone && !send_all(command, strlen(command)))
		berth_qemu_lose("QEMU: connection closed");
	while (!board.is_gone) {
		line = next_line();
		if (!line) {
			receive(0);
			continue;
		}
		if (is_interrupt(line))
			continue;
		if (strncmp(line, "OK", 2))
			return -EINVAL;
		if (value)
			*value = strtoull(line + 2, NULL, 0);
		return 0;
	}
	return -EIO;
}
