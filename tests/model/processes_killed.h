/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes that do anything and are killed, KILLS of them. */
#ifndef TESTS_MODEL_PROCESSES_KILLED_H
#define TESTS_MODEL_PROCESSES_KILLED_H

#include "processes.h"

#define AT_ONCE 4

static pid_t start_chaos(const int *fds, unsigned int seed)
{
	char number[16];
	char *argv[] = { client_path, (char *)(uintptr_t) "chaos", number, NULL };

	snprintf(number, sizeof(number), "%u", seed);
	return spawn(fds, argv);
}

static unsigned int any(unsigned int *seed, unsigned int of)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % of;
}

/* The console says a line for every fence that is left behind: not here. */
static int silence(void)
{
	const int kept = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	dup2(null, STDERR_FILENO);
	close(null);
	return kept;
}

static void kill_some(const int *fds, unsigned int *seed)
{
	pid_t running[AT_ONCE];

	for (unsigned int i = 0; i < AT_ONCE; i++)
		running[i] = start_chaos(fds, any(seed, 1u << 20));
	for (unsigned int i = 0; i < KILLS; i++) {
		pid_t *victim = &running[any(seed, AT_ONCE)];
		int status;

		usleep(any(seed, 12000));
		assert_int_equal(kill(*victim, SIGKILL), 0);
		assert_int_equal(waitpid(*victim, &status, 0), *victim);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			fail_msg("a client ended by itself: %#x", status);
		*victim = start_chaos(fds, any(seed, 1u << 20));
	}
	/* The others are told to end: nobody waits for one that is dead. */
	close(fds[3]);
	for (unsigned int i = 0; i < AT_ONCE; i++) {
		int status;

		assert_int_equal(waitpid(running[i], &status, 0), running[i]);
		assert_int_equal(status, 0);
	}
}

static void test_kills(void **state)
{
	unsigned int seed = 7, before;
	uint64_t used_before;
	int sockets[2], ends[2], kept;
	struct client client;

	(void)state;
	start(NULL);
	/* Once everything: what is kept for the next one is there. */
	start_client(&client);
	assert_true(say(&client, "alloc system 0 65536") >= 0);
	must_say(&client, "map 0 0 0", 0);
	end_client(&client);
	until_idle();
	before = descriptors();
	used_before = used();

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	kept = silence();
	kill_some((int[]){ sockets[0], sockets[1], ends[0], ends[1] }, &seed);
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(ends[0]);
	/* Descriptors on their way go with the socket. */
	close(sockets[0]);
	close(sockets[1]);
	until_idle();
	/* Fences that were given up go with what is due. */
	msleep(2100);
	until_back(before, used_before);
	/* It goes on. */
	start_client(&client);
	assert_true(say(&client, "alloc cma 0 65536") >= 0);
	must_say(&client, "map 0 0 0", 0);
	must_say(&client, "fill 0 1", 0);
	end_client(&client);
	stop();
}

#endif
