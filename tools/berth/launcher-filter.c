// SPDX-License-Identifier: BSD-2-Clause
#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher-internal.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1ul << 5)
#endif

/*
 * Numbers of the 64-bit and of the 32-bit ABI; -1: none, or with structures of its own, and then it is left
 * to the socket. fd: which argument is the descriptor by whose number the filter decides; -1: always told.
 */
static const struct {
	enum launcher_op op;
	int nr, nr_compat, fd;
} calls[] = {
	{ LAUNCHER_OPEN, 2, 5, -1 }, /* open */
	{ LAUNCHER_CREAT, 85, 8, -1 }, /* creat */
	{ LAUNCHER_OPENAT, 257, 295, -1 }, /* openat */
	{ LAUNCHER_OPENAT2, 437, 437, -1 }, /* openat2 */
	{ LAUNCHER_MMAP, 9, 192, 4 }, /* mmap, mmap2 */
	{ LAUNCHER_MMAP_OLD, -1, 90, -1 }, /* mmap */
	{ LAUNCHER_STAT, 4, -1, -1 }, /* stat */
	{ LAUNCHER_LSTAT, 6, -1, -1 }, /* lstat */
	{ LAUNCHER_FSTAT, 5, -1, 0 }, /* fstat */
	{ LAUNCHER_FSTATAT, 262, -1, 0 }, /* newfstatat */
	{ LAUNCHER_STATX, 332, 383, 0 }, /* statx */
	{ LAUNCHER_READ, 0, 3, 0 }, /* read */
	{ LAUNCHER_READV, 19, -1, 0 }, /* readv */
	{ LAUNCHER_PREAD, 17, 180, 0 }, /* pread64 */
	{ LAUNCHER_PREADV, 295, -1, 0 }, /* preadv */
	{ LAUNCHER_PREADV, 327, -1, 0 }, /* preadv2 */
	{ LAUNCHER_WRITE, 1, 4, 0 }, /* write */
	{ LAUNCHER_WRITE, 18, 181, 0 }, /* pwrite64 */
	{ LAUNCHER_WRITEV, 20, -1, 0 }, /* writev */
	{ LAUNCHER_WRITEV, 296, -1, 0 }, /* pwritev */
	{ LAUNCHER_WRITEV, 328, -1, 0 }, /* pwritev2 */
	{ LAUNCHER_IOCTL, 16, 54, 0 }, /* ioctl */
	{ LAUNCHER_LSEEK, 8, 19, 0 }, /* lseek */
	{ LAUNCHER_DUP, 32, 41, 0 }, /* dup */
	{ LAUNCHER_FCNTL, 72, 55, 0 }, /* fcntl */
	{ LAUNCHER_FCNTL, -1, 221, 0 }, /* fcntl64 */
	{ LAUNCHER_SPLICE, 275, 313, 0 }, /* splice */
	{ LAUNCHER_SENDFILE, 40, 187, 1 }, /* sendfile */
	{ LAUNCHER_SENDFILE, -1, 239, 1 }, /* sendfile64 */
};

#define NR_CALLS (sizeof(calls) / sizeof(calls[0]))

enum launcher_op launcher_op(uint32_t arch, int nr)
{
	for (size_t i = 0; i < NR_CALLS; i++)
		if (nr == (arch == AUDIT_ARCH_I386 ? calls[i].nr_compat : calls[i].nr))
			return calls[i].op;
	return LAUNCHER_NO_OP;
}

/* A program in the making: each condition jumps over one return. */
struct program {
	struct sock_filter lines[512];
	unsigned short used;
};

static void put(struct program *program, uint16_t code, uint8_t yes, uint8_t no, uint32_t value)
{
	program->lines[program->used++] = (struct sock_filter){ code, yes, no, value };
}

static void load(struct program *program, size_t offset)
{
	put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static void load_arg(struct program *program, int arg)
{
	load(program, offsetof(struct seccomp_data, args) + (size_t)arg * 8);
}

static void answer(struct program *program, uint32_t what)
{
	put(program, BPF_RET | BPF_K, 0, 0, what);
}

/* Goes on behind it if the descriptor is not one of @count from @first on. */
static void tell_if_within(struct program *program, uint32_t first, uint32_t count)
{
	put(program, BPF_JMP | BPF_JGE | BPF_K, 0, 2, first);
	put(program, BPF_JMP | BPF_JGE | BPF_K, 1, 0, first + count);
	answer(program, SECCOMP_RET_USER_NOTIF);
}

/*
 * Of a descriptor of ours, or shared and of some file: a program may have made a copy with another number.
 * The one that is there for a moment is the supervisor's own call.
 */
static void put_mmap(struct program *program, uint32_t numbers)
{
	tell_if_within(program, numbers, LAUNCHER_NUMBERS - 1);
	put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, numbers + LAUNCHER_NUMBERS - 1);
	answer(program, SECCOMP_RET_ALLOW);
	load_arg(program, 3);
	put(program, BPF_JMP | BPF_JSET | BPF_K, 2, 0, MAP_ANONYMOUS);
	put(program, BPF_JMP | BPF_JSET | BPF_K, 0, 1, MAP_SHARED);
	answer(program, SECCOMP_RET_USER_NOTIF);
	answer(program, SECCOMP_RET_ALLOW);
}

/* By its path, unless that is said to be empty: what libc's fstat() does. */
static void put_stat(struct program *program, int flags_arg, uint32_t numbers)
{
	tell_if_within(program, numbers, LAUNCHER_NUMBERS - 1);
	load_arg(program, flags_arg);
	put(program, BPF_JMP | BPF_JSET | BPF_K, 1, 0, AT_EMPTY_PATH);
	answer(program, SECCOMP_RET_USER_NOTIF);
	answer(program, SECCOMP_RET_ALLOW);
}

static void put_call(struct program *program, size_t call, int nr, uint32_t numbers)
{
	const unsigned short test = program->used;

	if (nr < 0)
		return;
	put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, (uint32_t)nr);
	if (calls[call].fd < 0) {
		answer(program, SECCOMP_RET_USER_NOTIF);
	} else {
		load_arg(program, calls[call].fd);
		if (calls[call].op == LAUNCHER_MMAP) {
			put_mmap(program, numbers);
		} else if (calls[call].op == LAUNCHER_FSTATAT) {
			put_stat(program, 3, numbers);
		} else if (calls[call].op == LAUNCHER_STATX) {
			put_stat(program, 2, numbers);
		} else {
			tell_if_within(program, numbers, LAUNCHER_NUMBERS - 1);
			answer(program, SECCOMP_RET_ALLOW);
		}
	}
	program->lines[test].jf = (uint8_t)(program->used - test - 1);
}

static void put_abi(struct program *program, bool is_compat, uint32_t numbers)
{
	load(program, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < NR_CALLS; i++)
		put_call(program, i, is_compat ? calls[i].nr_compat : calls[i].nr, numbers);
	answer(program, SECCOMP_RET_ALLOW);
}

int launcher_filter(unsigned int numbers)
{
	static struct program program;
	struct sock_fprog fprog = { .filter = program.lines };
	const unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	unsigned short test;
	long fd;

	program.used = 0;
	load(&program, offsetof(struct seccomp_data, arch));
	put(&program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, AUDIT_ARCH_X86_64);
	test = program.used;
	put(&program, BPF_JMP | BPF_JA, 0, 0, 0);
	put(&program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_I386);
	answer(&program, SECCOMP_RET_ALLOW);
	put_abi(&program, true, numbers);
	program.lines[test].k = program.used - test - 1u;
	put_abi(&program, false, numbers);
	fprog.len = program.used;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	/* A call that the supervisor has taken is not given up because of a signal, if the kernel can do that. */
	fd = syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER,
		     flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &fprog);
	if (fd < 0 && errno == EINVAL)
		fd = syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &fprog);
	return fd < 0 ? -errno : (int)fd;
}
