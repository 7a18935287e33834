// SPDX-License-Identifier: BSD-2-Clause
/* A client as the kernel's "UIO howto" has it: attributes, mappings by page, interrupts. */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAPS 2
#define INTERRUPTS 100

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static unsigned long read_size(const char *device, int map)
{
	char path[128];
	unsigned long size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/uio/%s/maps/map%d/size", device, map);
	file = fopen(path, "r");
	if (!file)
		return 0;
	if (fscanf(file, "0x%lx", &size) != 1)
		size = 0;
	fclose(file);
	return size;
}

static int take_interrupts(int fd)
{
	uint32_t count, last = 0;
	const int32_t on = 1;
	struct pollfd polled = { .fd = fd, .events = POLLIN };

	for (int i = 0; i < INTERRUPTS; i++) {
		if (write(fd, &on, sizeof(on)) != sizeof(on))
			return fail("write");
		if (poll(&polled, 1, -1) != 1 || !(polled.revents & POLLIN))
			return fail("poll");
		if (read(fd, &count, sizeof(count)) != sizeof(count))
			return fail("read");
		if (i && count != last + 1) {
			fprintf(stderr, "interrupt %u after %u\n", count, last);
			return 1;
		}
		last = count;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *device = argc > 1 ? argv[1] : "uio0";
	char path[64];
	struct stat stat_path, stat_fd;
	int fd;

	snprintf(path, sizeof(path), "/dev/%s", device);
	if (stat(path, &stat_path) || !S_ISCHR(stat_path.st_mode))
		return fail("stat");
	fd = open(path, O_RDWR);
	if (fd < 0)
		return fail(path);
	if (fstat(fd, &stat_fd) || !S_ISCHR(stat_fd.st_mode))
		return fail("fstat");
	for (int i = 0; i < MAPS; i++) {
		const unsigned long size = read_size(device, i);
		char *map =
			mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, i * getpagesize());

		if (map == MAP_FAILED)
			return fail("mmap");
		printf("map%d %lu %.4s\n", i, size, map);
		memcpy(map + size - 4, "done", 4);
	}
	if (take_interrupts(fd))
		return 1;
	puts("all interrupts");
	return 0;
}
