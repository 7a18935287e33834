// SPDX-License-Identifier: BSD-2-Clause
/*
 * restless NODE SEED: opens, maps, starts the signal processor, lets go, and does so again, until it is killed. Knows nothing
 * of berth.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static uint32_t seed;

static uint32_t chance(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static uint64_t address(const char *node, int map)
{
	char path[128], text[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/uio/%s/maps/map%d/addr", node, map);
	file = fopen(path, "r");
	if (!file)
		return 0;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	return strtoull(text, NULL, 0);
}

/* WRITE: it writes into map 1 until it is stopped. */
static void start(volatile uint32_t *regs, const char *node)
{
	const uint64_t to = address(node, 1);

	regs[0x24 / 4] = 0x1000;
	regs[0x30 / 4] = (uint32_t)to;
	regs[0x34 / 4] = (uint32_t)(to >> 32);
	regs[0x20 / 4] = 4;
	regs[0x10 / 4] = 3;
	regs[0x04 / 4] = 1;
	regs[0x18 / 4] = regs[0x1c / 4] + 1;
}

static void turn(const char *node, const char *path)
{
	int fd = open(path, O_RDWR | (chance(2) ? O_NONBLOCK : 0));
	volatile uint32_t *maps[3] = { NULL };
	struct pollfd entry = { .fd = fd, .events = POLLIN };
	uint32_t on = 1, count;

	if (fd < 0)
		return;
	for (int i = 0; i < 3; i++)
		if (chance(4)) {
			void *map =
				mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, i * 4096);

			maps[i] = map == MAP_FAILED ? NULL : map;
		}
	if (maps[0] && chance(2))
		start(maps[0], node);
	if (chance(2) && write(fd, &on, 4) == 4 && poll(&entry, 1, (int)chance(5)) > 0 &&
	    read(fd, &count, 4) < 0)
		usleep(chance(100));
	if (maps[1])
		maps[1][chance(1024)] = chance(1u << 20);
	if (chance(2))
		usleep(chance(3000));
	for (int i = 0; i < 3; i++)
		if (maps[i])
			munmap((void *)(uintptr_t)maps[i], 4096);
	close(fd);
}

int main(int argc, char **argv)
{
	char path[64];

	if (argc < 3)
		return 2;
	seed = (uint32_t)atoi(argv[2]);
	snprintf(path, sizeof(path), "/dev/%s", argv[1]);
	if (fork() == 0)
		seed++; /* two of them, of which both are killed */
	turn(argv[1], path);
	if (write(1, "\n", 1) < 0)
		return 1;
	for (;;)
		turn(argv[1], path);
}
