// SPDX-License-Identifier: BSD-2-Clause
/*
 * howto NODE ROUNDS: a driver in user space, written from Documentation/driver-api/uio-howto.rst alone. It knows
 * nothing of berth. Prints one line, "ok" or what is wrong.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *node;

#define CHECK(holds)                                                                              \
	do {                                                                                      \
		if (!(holds)) {                                                                   \
			printf("%s: line %d: %s: %s\n", node, __LINE__, #holds, strerror(errno)); \
			exit(1);                                                                  \
		}                                                                                 \
	} while (0)

static uint64_t number(const char *attr)
{
	char path[256], text[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/uio/%s/%s", node, attr);
	file = fopen(path, "r");
	CHECK(file);
	CHECK(fgets(text, sizeof(text), file));
	fclose(file);
	return strtoull(text, NULL, 0);
}

static unsigned int count_maps(void)
{
	char path[256];
	unsigned int nr = 0;
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/class/uio/%s/maps", node);
	dir = opendir(path);
	CHECK(dir);
	while ((entry = readdir(dir)) != NULL)
		nr += !strncmp(entry->d_name, "map", 3);
	closedir(dir);
	return nr;
}

static void check_status(int fd)
{
	struct stat status;
	char path[256], text[32];
	FILE *file;
	unsigned int major_number, minor_number;

	snprintf(path, sizeof(path), "/sys/class/uio/%s/dev", node);
	file = fopen(path, "r");
	CHECK(file && fgets(text, sizeof(text), file));
	fclose(file);
	CHECK(sscanf(text, "%u:%u", &major_number, &minor_number) == 2);
	CHECK(!fstat(fd, &status));
	CHECK(S_ISCHR(status.st_mode) && status.st_rdev == makedev(major_number, minor_number));
	snprintf(path, sizeof(path), "/dev/%s", node);
	CHECK(!stat(path, &status));
	CHECK(S_ISCHR(status.st_mode) && status.st_rdev == makedev(major_number, minor_number));
	CHECK(!access(path, R_OK | W_OK));
}

/* One of three ways, in turn. */
static void wait_for_event(int fd, unsigned int round)
{
	struct pollfd entry = { .fd = fd, .events = POLLIN };
	struct epoll_event event = { .events = EPOLLIN };
	fd_set set;
	int epoll;

	switch (round % 4) {
	case 0:
		CHECK(poll(&entry, 1, 10000) == 1 && entry.revents == POLLIN);
		break;
	case 1:
		FD_ZERO(&set);
		FD_SET(fd, &set);
		CHECK(select(fd + 1, &set, NULL, NULL, NULL) == 1);
		break;
	case 2:
		epoll = epoll_create1(0);
		CHECK(!epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
		CHECK(epoll_wait(epoll, &event, 1, 10000) == 1);
		close(epoll);
		break;
	default:
		break;
	}
}

static void check_rules(int fd, volatile uint32_t *data, size_t size)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint32_t value = 3;
	uint64_t wide = 0;
	struct pollfd entry = { .fd = fd, .events = POLLIN };

	CHECK(poll(&entry, 1, 0) == 0);
	CHECK(read(fd, &wide, 8) == -1 && errno == EINVAL);
	CHECK(read(fd, &wide, 2) == -1 && errno == EINVAL);
	CHECK(write(fd, &wide, 8) == -1 && errno == EINVAL);
	CHECK(write(fd, &value, 4) == -1 && errno == EIO);
	CHECK(!fcntl(fd, F_SETFL, O_NONBLOCK));
	CHECK(read(fd, &value, 4) == -1 && errno == EAGAIN);
	CHECK(!fcntl(fd, F_SETFL, 0));
	CHECK(mmap(NULL, page, PROT_READ, MAP_SHARED, fd, (off_t)(2 * page)) == MAP_FAILED &&
	      errno == EINVAL);
	CHECK(mmap(NULL, size + page, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED &&
	      errno == EINVAL);
	CHECK(!data[0] || data[0]);
}

/* A child has what its parent has. */
static void check_child(int fd, volatile uint32_t *data, volatile uint32_t *sum)
{
	const uint32_t start = 2;
	uint32_t count;
	int status;
	pid_t pid = fork();

	if (!pid) {
		data[0] = 77;
		data[1] = 0;
		_exit(write(fd, &start, 4) == 4 && *sum == 77 ? 0 : 1);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && !status);
	CHECK(*sum == 77);
	CHECK(read(fd, &count, 4) == 4);
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 2 ? (unsigned int)atoi(argv[2]) : 10;
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	volatile uint32_t *data, *sum;
	char path[64];
	uint32_t count, last = 0;
	size_t size;
	int fd, other;

	node = argc > 1 ? argv[1] : "uio0";
	CHECK(count_maps() == 2);
	snprintf(path, sizeof(path), "/dev/%s", node);
	fd = open(path, O_RDWR);
	CHECK(fd >= 0);
	size = (size_t)number("maps/map0/size");
	CHECK(number("maps/map0/addr") != UINT64_MAX);
	check_status(fd);
	data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(data != MAP_FAILED);
	sum = mmap(NULL, (size_t)number("maps/map1/size"), PROT_READ, MAP_SHARED, fd, (off_t)page);
	CHECK(sum != MAP_FAILED);
	check_rules(fd, data, size);
	other = dup(fd);
	for (unsigned int round = 0; round < rounds; round++) {
		const uint32_t start = 2;
		uint32_t want = 0;

		for (unsigned int i = 0; i < 100; i++)
			want += data[i] = round * 3 + i + 1;
		data[100] = 0;
		CHECK(write(round % 2 ? other : fd, &start, 4) == 4);
		CHECK(*sum == want);
		wait_for_event(fd, round);
		CHECK(read(round % 3 ? fd : other, &count, 4) == 4);
		CHECK(!round || count == last + 1);
		last = count;
	}
	CHECK(number("event") == count);
	check_child(fd, data, sum);
	/* Mappings hold the node. */
	close(fd);
	close(other);
	CHECK(number("maps/map0/addr") != UINT64_MAX);
	data[0] = 5;
	CHECK(!munmap((void *)(uintptr_t)data, page) && ((volatile char *)data)[page] >= -128);
	CHECK(!munmap((void *)((uintptr_t)data + page), size - page));
	CHECK(!munmap((void *)(uintptr_t)sum, page));
	printf("ok\n");
	return 0;
}
