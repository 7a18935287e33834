// SPDX-License-Identifier: BSD-2-Clause
/*
 * System calls without a libc between: uio_calls WHAT. It prints what it sees; "life" waits for a line of its
 * standard input at each stage.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096l
#define ROUNDS 200

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static int compat_call(int nr, long a, long b, long c, long d, long e)
{
	int ret;

	/* The sixth argument is 0 as a rule: it is %ebp, which is not for the taking. */
	__asm__ volatile("push %%rbp\n\txor %%ebp, %%ebp\n\tint $0x80\n\tpop %%rbp"
			 : "=a"(ret)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "r8", "r9", "r10", "r11", "memory");
	return ret;
}

static int raw(void)
{
	const struct open_how how = { .flags = O_RDWR };
	const int32_t one = 1;
	uint32_t count = 0, half = 0;
	struct iovec parts[2] = { { &count, 2 }, { (char *)&count + 2, 2 } };
	long fd[4], map;

	fd[0] = call(2, (long)"/dev/uio0", O_RDWR, 0, 0, 0, 0);
	call(80, (long)"/dev", 0, 0, 0, 0, 0); /* chdir */
	fd[1] = call(257, AT_FDCWD, (long)"uio0", O_RDWR | O_NONBLOCK, 0, 0, 0);
	fd[2] = call(437, AT_FDCWD, (long)"../dev/./uio0", (long)&how, sizeof(how), 0, 0);
	fd[3] = call(85, (long)"uio0", 0600, 0, 0, 0, 0);
	printf("open %d %d %d %d\n", fd[0] >= 0, fd[1] >= 0, fd[2] >= 0, fd[3] >= 0);
	printf("again %ld\n", call(0, fd[1], (long)&count, 4, 0, 0, 0));
	printf("write %ld %ld %ld\n", call(1, fd[0], (long)&one, 4, 0, 0, 0),
	       call(1, fd[0], (long)&one, 3, 0, 0, 0), call(1, fd[0], 8, 4, 0, 0, 0));
	printf("read %ld %ld %ld\n", call(0, fd[0], (long)&half, 2, 0, 0, 0),
	       call(0, fd[0], (long)&half, 8, 0, 0, 0), call(19, fd[0], (long)parts, 2, 0, 0, 0));
	map = call(9, 0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd[0], PAGE);
	printf("mmap %.4s\n", (char *)map);
	printf("mmap %ld %ld %ld\n", call(9, 0, PAGE, PROT_READ, MAP_SHARED, fd[0], 2 * PAGE),
	       call(9, 0, 3 * PAGE, PROT_READ, MAP_SHARED, fd[0], 0),
	       call(9, 0, PAGE, PROT_READ, MAP_SHARED, 1000, 0));
	map = call(9, 0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd[0], PAGE);
	printf("private %.4s\n", (char *)map);
	fd[0] = call(2, (long)"/dev/uio1", O_RDWR, 0, 0, 0, 0);
	printf("no irqcontrol %ld, no directory %ld, exists %ld\n",
	       call(1, fd[0], (long)&one, 4, 0, 0, 0),
	       call(2, (long)"/dev/uio0", O_RDWR | O_DIRECTORY, 0, 0, 0, 0),
	       call(2, (long)"/dev/uio0", O_RDWR | O_CREAT | O_EXCL, 0600, 0, 0, 0));
	fd[0] = call(2, (long)"/dev/uio0", O_RDONLY, 0, 0, 0, 0);
	printf("read only: write %ld map %ld\n", call(1, fd[0], (long)&one, 4, 0, 0, 0),
	       call(9, 0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd[0], 0));
	return 0;
}

static int compat(void)
{
	static const char path[] = "/dev/uio0";
	char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	uint32_t *args = (uint32_t *)(low + 64);
	int fd;
	long map;

	memcpy(low, path, sizeof(path));
	fd = compat_call(5, (long)low, O_RDWR, 0, 0, 0);
	printf("open %d\n", fd >= 0);
	map = (uint32_t)compat_call(192, 0, PAGE, PROT_READ, MAP_SHARED, fd);
	printf("mmap2 %.4s\n", (char *)map);
	args[1] = PAGE;
	args[2] = PROT_READ;
	args[3] = MAP_SHARED;
	args[4] = (uint32_t)fd;
	args[5] = PAGE;
	map = (uint32_t)compat_call(90, (long)args, 0, 0, 0, 0);
	printf("mmap %.4s\n", (char *)map);
	args[5] = 2 * PAGE;
	printf("mmap %d\n", compat_call(90, (long)args, 0, 0, 0, 0));
	printf("read %d\n", compat_call(3, fd, (long)low, 8, 0, 0));
	return 0;
}

static void stage(const char *name)
{
	char line[16];

	printf("%s\n", name);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		exit(1);
}

static int life(void)
{
	const int fd = open("/dev/uio0", O_RDWR);
	char *map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	pid_t child;

	if (map == MAP_FAILED)
		return 1;
	stage("mapped");
	close(fd);
	stage("closed");
	munmap(map + PAGE, PAGE);
	stage("half");
	map = mremap(map, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, map + 64 * PAGE);
	stage("moved");
	child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	munmap(map, PAGE);
	stage("child");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	stage("none");
	return 0;
}

static _Atomic long alarms;

static void on_alarm(int number)
{
	(void)number;
	alarms++;
}

/* Its own descriptor, both maps, and back: what is mapped is told by its first bytes. */
static void *open_and_map(void *data)
{
	const char **why = data;

	for (int i = 0; i < ROUNDS && !*why; i++) {
		const int fd = open("/dev/uio0", O_RDWR | O_CLOEXEC);

		if (fd < 0)
			*why = "open";
		for (long map = 0; map < 2 && !*why; map++) {
			char *at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, map * PAGE);

			if (at == MAP_FAILED)
				*why = "mmap";
			else if (memcmp(at, map ? "uio0map1" : "uio0map0", 8) != 0)
				*why = "other memory";
			if (at != MAP_FAILED)
				munmap(at, PAGE);
		}
		close(fd);
	}
	return NULL;
}

/* With signals all the time. A handler with SA_RESTART is not seen by open() or mmap(). */
static int threads(int count)
{
	const struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	const struct itimerval often = { { 0, 300 }, { 0, 300 } };
	pthread_t thread[16];
	const char *why[16] = { NULL };
	int wrong = 0;

	if (count > 16)
		return 2;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < count; i++)
		if (pthread_create(&thread[i], NULL, open_and_map, &why[i]))
			return 1;
	for (int i = 0; i < count; i++) {
		pthread_join(thread[i], NULL);
		if (why[i])
			printf("%s\n", why[i]);
		wrong |= why[i] != NULL;
	}
	printf("alarms %d\n", alarms > 0);
	return wrong;
}

static double now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* Microseconds: a file, a node, a mapping of each, a call that is not looked at. */
static int cost(void)
{
	const int file = memfd_create("cost", 0);
	double times[5] = { now_us() };
	int fd = -1;

	for (int i = 0; i < 1000; i++)
		close(open("/etc/passwd", O_RDONLY));
	times[1] = now_us();
	for (int i = 0; i < 1000; i++)
		close(open("/dev/uio0", O_RDWR));
	times[2] = now_us();
	if (ftruncate(file, PAGE))
		return 1;
	for (int i = 0; i < 1000; i++)
		munmap(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0), PAGE);
	times[3] = now_us();
	fd = open("/dev/uio0", O_RDWR);
	for (int i = 0; i < 1000 && fd >= 0; i++)
		munmap(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), PAGE);
	times[4] = now_us();
	for (int i = 0; i < 100000; i++)
		call(110, 0, 0, 0, 0, 0, 0); /* getppid */
	printf("file: open+close %.1f us, mmap+munmap %.1f us; node: %.1f us, %.1f us; getppid %.3f us\n",
	       (times[1] - times[0]) / 1e3, (times[3] - times[2]) / 1e3,
	       (times[2] - times[1]) / 1e3, (times[4] - times[3]) / 1e3,
	       (now_us() - times[4]) / 1e5);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "raw"))
		return raw();
	if (!strcmp(what, "compat"))
		return compat();
	if (!strcmp(what, "life"))
		return life();
	if (!strcmp(what, "cost"))
		return cost();
	if (!strcmp(what, "threads"))
		return threads(argc > 2 ? atoi(argv[2]) : 4);
	return 2;
}
