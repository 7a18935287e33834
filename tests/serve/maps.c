// SPDX-License-Identifier: BSD-2-Clause
/*
 * maps NODE: what a program does with mappings of a node. Behind each there is a descriptor that it did not open and that
 * goes with the last page: they are counted. Prints "ok" or what is wrong. Knows nothing of berth.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define ROUNDS 300

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define CHECK(holds)                                                                        \
	do {                                                                                \
		if (!(holds)) {                                                             \
			printf("line %d: %s: %s, %u descriptors of %u\n", __LINE__, #holds, \
			       strerror(errno), count(), base);                             \
			exit(1);                                                            \
		}                                                                           \
	} while (0)

static size_t page, all;
static int node;
static unsigned int base;

static unsigned int count(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int nr = 0;

	while (dir && readdir(dir))
		nr++;
	if (dir)
		closedir(dir);
	return nr;
}

static char *map(void *at, int flags)
{
	char *got = mmap(at, all, PROT_READ | PROT_WRITE, MAP_SHARED | flags, node, 0);

	CHECK(got != MAP_FAILED);
	return got;
}

static void shrink_and_move(void)
{
	char *at = map(NULL, 0), *other;

	CHECK(count() == base + 1);
	CHECK(mremap(at, 2 * page, page, 0) == at);
	CHECK(count() == base + 1);
	CHECK(!munmap(at, page));
	CHECK(count() == base);

	at = map(NULL, 0);
	other = mmap(NULL, 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mremap(at, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, other) == other);
	CHECK(!munmap(at, 2 * page));
	CHECK(count() == base + 1);
	CHECK(!munmap(other, 2 * page));
	CHECK(count() == base);
}

static void move_over(void)
{
	char *at = map(NULL, 0);
	char *other = mmap(NULL, all, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(mremap(other, all, all, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at);
	CHECK(count() == base);
	/* And one of a node's over one of a node's. */
	other = map(NULL, 0);
	CHECK(map(at, MAP_FIXED) == at);
	CHECK(count() == base + 2);
	CHECK(mremap(other, all, all, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at);
	CHECK(count() == base + 1);
	CHECK(map(at, MAP_FIXED) == at);
	CHECK(count() == base + 1);
	CHECK(!munmap(at, all));
	CHECK(count() == base);
}

static void stay_and_move(void)
{
	char *at = map(NULL, 0);
	char *other = mremap(at, 0, all, MREMAP_MAYMOVE);

	CHECK(other != MAP_FAILED && other != at);
	at[0] = 7;
	CHECK(other[0] == 7 && !munmap(at, all) && count() == base + 1);
	CHECK(!munmap(other, all) && count() == base);

	at = map(NULL, 0);
	other = mremap(at, all, all, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	if (other != MAP_FAILED) { /* since Linux 5.13 */
		CHECK(!munmap(other, all) && count() == base + 1);
		at[0] = 8;
	}
	CHECK(!munmap(at, all) && count() == base);
}

static void fail(void)
{
	char *at = map(NULL, 0);

	CHECK(mmap(at, all, PROT_READ, MAP_SHARED | MAP_FIXED, -1, 0) == MAP_FAILED);
	CHECK(mmap(at, all, PROT_READ, MAP_SHARED | MAP_FIXED, node, (off_t)(9 * page)) ==
	      MAP_FAILED);
	CHECK(munmap(at + 1, page) == -1 && mremap(at + 1, page, all, 0) == MAP_FAILED);
	CHECK(count() == base + 1);
	at[0] = 1;
	CHECK(!munmap(at, all) && count() == base);
}

/* libc closes by itself, and the kernel gives a number again that was another file's. */
static void known_as_another(void)
{
	int fd = open("/dev/null", O_RDONLY);
	char byte, *at;

	CHECK(fd >= 0 && read(fd, &byte, 1) == 0);
	CHECK(syscall(SYS_dup3, node, fd, 0) == fd);
	at = mmap(NULL, all, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(at != MAP_FAILED && !munmap(at, all) && !close(fd));
}

static void on_alarm(int number)
{
	const int err = errno;

	(void)number;
	close(dup(0));
	errno = err;
}

/* At its end there is one mapping of this thread's. */
static void *restless(void *unused)
{
	char *last = map(NULL, 0);

	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		char *next;

		munmap(last, all);
		next = map(NULL, 0);
		if (i % 16 == 0 && fork() == 0)
			_exit(0);
		last = next;
	}
	return last;
}

/* With signals all the time, whose handler closes something, and forks. */
static void many(void)
{
	const struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	const struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = { { 0, 0 }, { 0, 0 } };
	pthread_t threads[THREADS];
	void *left[THREADS];

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&threads[i], NULL, restless, NULL));
	for (int i = 0; i < THREADS; i++)
		CHECK(!pthread_join(threads[i], &left[i]));
	setitimer(ITIMER_REAL, &never, NULL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	CHECK(count() == base + THREADS);
	for (int i = 0; i < THREADS; i++)
		CHECK(!munmap(left[i], all));
	CHECK(count() == base);
}

/* A part and more of it at once, whichever comes first. */
static void sizes(void)
{
	char *small, *large;

	for (int first = 0; first < 2; first++) {
		large = first ? map(NULL, 0) : NULL;
		small = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, node, 0);
		CHECK(small != MAP_FAILED);
		large = first ? large : map(NULL, 0);
		CHECK(*(volatile uint32_t *)small == *(volatile uint32_t *)large);
		CHECK(!munmap(small, page));
		CHECK(!munmap(large, all));
	}
	CHECK(count() == base);
}

int main(int argc, char **argv)
{
	char path[64];

	page = (size_t)sysconf(_SC_PAGESIZE);
	all = 2 * page;
	snprintf(path, sizeof(path), "/dev/%s", argc > 1 ? argv[1] : "uio0");
	node = open(path, O_RDWR);
	CHECK(node >= 0);
	base = count();
	sizes();
	many();
	shrink_and_move();
	move_over();
	stay_and_move();
	fail();
	known_as_another();
	CHECK(count() == base);
	close(node);
	printf("ok\n");
	return 0;
}
