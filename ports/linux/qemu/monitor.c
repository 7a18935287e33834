// SPDX-License-Identifier: BSD-2-Clause
/* QEMU's monitor (QMP), of which little is wanted: where the interrupt controller is, and the end. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "qemu/internal.h"

#define MAX_DEPTH 16
#define MAX_TEXT (16u << 20)

static bool grow(void)
{
	size_t max = board.text_max ? 2 * board.text_max : 65536;
	char *text = max > MAX_TEXT ? NULL : realloc(board.text, max);

	if (!text)
		return false;
	board.text = text;
	board.text_max = max;
	return true;
}

/* A line in board.text, terminated; what came behind it is lost, which is nothing: we asked once. */
static int read_line(void)
{
	board.text_size = 0;
	for (;;) {
		ssize_t got;

		if (board.text_size + 1 >= board.text_max && !grow())
			return -ENOMEM;
		/* One line at a time: there may be an event in front of the answer. */
		got = recv(board.monitor, board.text + board.text_size,
			   board.text_max - board.text_size - 1, MSG_PEEK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -EIO;
		char *end = memchr(board.text + board.text_size, '\n', (size_t)got);
		size_t part = end ? (size_t)(end + 1 - (board.text + board.text_size))
				  : (size_t)got;

		if (recv(board.monitor, board.text + board.text_size, part, 0) != (ssize_t)part)
			return -EIO;
		board.text_size += part;
		board.text[board.text_size] = 0;
		if (end)
			return 0;
	}
}

/* The answer is in board.text. */
static int ask(const char *request)
{
	int ret;

	if (send(board.monitor, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
		return -EIO;
	do
		ret = read_line();
	while (!ret && !strstr(board.text, "\"return\"") && !strstr(board.text, "\"error\""));
	return ret;
}

int berth_qemu_greet(void)
{
	int ret = read_line();

	return ret ? ret : ask("{\"execute\":\"qmp_capabilities\"}\n");
}

void berth_qemu_quit(void)
{
	static const char quit[] = "{\"execute\":\"quit\"}\n";

	/* If it cannot be asked, it is killed when time is up. */
	if (send(board.monitor, quit, sizeof(quit) - 1, MSG_NOSIGNAL) < 0)
		kill(board.pid, SIGKILL);
}

/* A string of JSON that has no other escapes than these, in place. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (*text != '\\') {
			*to++ = *text;
			continue;
		}
		text++;
		if (!*text)
			break;
		if (*text == 'n')
			*to++ = '\n';
		else if (*text != 'r')
			*to++ = *text;
	}
	*to = 0;
}

/* A line of the tree: two spaces for each step down, a name, a type in brackets. */
static bool is_one_of(const char *name, const char *const *types)
{
	const char *type = strchr(name, ' ');

	for (; type && *types; types++) {
		size_t length = strlen(*types);

		if (!strncmp(type, " (", 2) && !strncmp(type + 2, *types, length) &&
		    !strcmp(type + 2 + length, ")"))
			return true;
	}
	return false;
}

static int search(char *tree, const char *const *types, unsigned int index, char *path, size_t size)
{
	const char *names[MAX_DEPTH];
	char *rest = NULL;

	for (char *line = strtok_r(tree, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		size_t spaces = strspn(line, " "), depth = spaces / 2, at = 0;

		if (depth >= MAX_DEPTH || line[spaces] != '/')
			continue;
		names[depth] = line + spaces;
		if (!is_one_of(names[depth], types) || index--)
			continue;
		for (size_t i = 0; i <= depth; i++)
			at += (size_t)snprintf(path + at, at < size ? size - at : 0, "%.*s",
					       (int)strcspn(names[i], " "), names[i]);
		return at < size ? 0 : -EINVAL;
	}
	return -EINVAL;
}

int berth_qemu_find(const char *const *types, unsigned int index, char *path, size_t size)
{
	int ret = ask("{\"execute\":\"human-monitor-command\","
		      "\"arguments\":{\"command-line\":\"info qom-tree\"}}\n");
	char *tree;

	if (ret)
		return ret;
	unescape(board.text);
	tree = strchr(board.text, '/');
	return tree ? search(tree, types, index, path, size) : -EINVAL;
}
