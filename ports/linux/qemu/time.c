// SPDX-License-Identifier: BSD-2-Clause
/*
 * Time is the host's, perhaps slower. When the emulator is gone nothing is left to wait for: then
 * whoever waits for a moment has waited for it at once.
 */
#include <errno.h>
#include <poll.h>

#include "qemu/internal.h"

/* How long other threads are given before time jumps. */
#define GRACE_NS 1000000u
/* How long a thread that never called berth is expected to do so, and how often it is looked for. */
#define STRANGER_NS 100000000u
#define STRANGER_LOOKS 10u
/* What one look at the clock takes when the emulator is gone: loops that poll end. */
#define GONE_LOOK_NS 100000u

static uint64_t host_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t berth_qemu_now(void)
{
	uint64_t skipped;

	if (__atomic_load_n(&board.is_gone, __ATOMIC_RELAXED))
		skipped = __atomic_add_fetch(&board.skipped_ns, GONE_LOOK_NS, __ATOMIC_RELAXED);
	else
		skipped = __atomic_load_n(&board.skipped_ns, __ATOMIC_RELAXED);
	return (host_ns() - board.start_ns) / board.slow_down + skipped;
}

void berth_qemu_kick(void)
{
	uint64_t one = 1;

	__atomic_fetch_add(&board.kick, 1, __ATOMIC_RELAXED);
	if (board.nr_asleep)
		futex_wake(&board.kick, INT32_MAX);
	if (board.has_listener && write(board.bell, &one, sizeof(one)) < 0)
		return; /* it rings already */
}

void berth_qemu_wake(const uint32_t *word)
{
	(void)word;
	pthread_mutex_lock(&board.lock);
	berth_qemu_kick();
	pthread_mutex_unlock(&board.lock);
}

/* With the lock, dropped meanwhile: until the emulator or a thread has news; the host's time. */
static void listen_for(uint64_t ns)
{
	struct pollfd fds[2] = { { .fd = board.bell, .events = POLLIN },
				 { .fd = board.qtest, .events = POLLIN } };
	struct timespec time = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
	nfds_t nr = board.is_gone ? 1 : 2;
	uint64_t rings;

	board.has_listener = true;
	pthread_mutex_unlock(&board.lock);
	ppoll(fds, nr, ns == UINT64_MAX ? NULL : &time, NULL);
	pthread_mutex_lock(&board.lock);
	board.has_listener = false;
	if (read(board.bell, &rings, sizeof(rings)) < 0)
		return; /* it did not ring */
}

/* The same as one of several. True if somebody kicked. */
static bool sleep_for(uint64_t ns)
{
	uint32_t kick = board.kick;

	if (!board.has_listener) {
		listen_for(ns);
		return board.kick != kick;
	}
	board.nr_asleep++;
	pthread_mutex_unlock(&board.lock);
	futex_wait(&board.kick, kick, ns);
	pthread_mutex_lock(&board.lock);
	board.nr_asleep--;
	return board.kick != kick;
}

static uint64_t to_host(uint64_t ns)
{
	return ns > UINT64_MAX / 2 / board.slow_down ? UINT64_MAX / 2 : ns * board.slow_down;
}

static uint64_t next_moment(uint64_t deadline_ns)
{
	uint64_t next = board.is_alarm_running ? UINT64_MAX : board.alarm_at;

	return deadline_ns < next ? deadline_ns : next;
}

/* The emulator is gone, and only another thread could change the word. */
static int block(unsigned int *looks)
{
	if (board.nr_blocked + 1 >= berth_port_threads() &&
	    (!berth_port_strangers() || ++*looks > STRANGER_LOOKS))
		return -EDEADLK;
	board.nr_blocked++;
	if (sleep_for(STRANGER_NS))
		*looks = 0;
	board.nr_blocked--;
	return -EAGAIN;
}

/*
 * One look, one sleep. -EAGAIN: look again. Interrupts that are there when time is up are delivered
 * before that is said, once: a storm of them does not keep the program from going on.
 */
static int wait_step(const uint32_t *word, uint32_t value, uint64_t deadline_ns,
		     unsigned int *looks, bool *is_late)
{
	uint64_t now, next;

	if (!board.is_gone)
		berth_qemu_drain();
	if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
		return 0;
	now = berth_qemu_now();
	if (!berth_port_thread.irq_depth && !*is_late && berth_qemu_is_ready()) {
		*is_late = now >= deadline_ns;
		return -EAGAIN;
	}
	if (now >= deadline_ns)
		return -ETIMEDOUT;
	next = next_moment(deadline_ns);
	if (!board.is_gone) {
		sleep_for(next == UINT64_MAX ? UINT64_MAX : next > now ? to_host(next - now) : 0);
	} else if (next == UINT64_MAX) {
		return block(looks);
	} else if (!sleep_for(GRACE_NS) && next > now) {
		__atomic_fetch_add(&board.skipped_ns, next - now, __ATOMIC_RELAXED);
	}
	return -EAGAIN;
}

int berth_qemu_wait(const uint32_t *word, uint32_t value, uint64_t deadline_ns)
{
	unsigned int looks = 0;
	bool is_gone, is_late = false;
	int ret;

	do {
		berth_qemu_enter();
		ret = wait_step(word, value, deadline_ns, &looks, &is_late);
		is_gone = board.is_gone;
		/* Somebody else has to listen from now on. */
		if (ret != -EAGAIN && board.nr_asleep)
			berth_qemu_kick();
		berth_qemu_leave();
	} while (ret == -EAGAIN);
	if (ret && is_gone)
		berth_qemu_fail_gone(ret);
	return ret;
}

/* Interrupts come at their moments, not at the end. */
void berth_qemu_delay(uint64_t ns)
{
	uint64_t end = berth_qemu_now(), now;

	end = end + ns < ns ? UINT64_MAX : end + ns;
	while ((now = berth_qemu_now()) < end) {
		uint64_t left = to_host(end - now);
		struct pollfd fd = { .fd = board.qtest, .events = POLLIN };
		struct timespec time = { (time_t)(left / 1000000000), (long)(left % 1000000000) };
		bool is_gone;

		berth_qemu_enter();
		if (!board.is_gone)
			berth_qemu_drain();
		is_gone = board.is_gone;
		if (is_gone)
			__atomic_fetch_add(&board.skipped_ns, end - now, __ATOMIC_RELAXED);
		berth_qemu_leave();
		/* The system's sleep is longer than the shortest delays. */
		if (!is_gone && left > 100000)
			ppoll(&fd, 1, &time, NULL);
	}
}
