// SPDX-License-Identifier: BSD-2-Clause
/*
 * One file in the place of another under pages that are in use: stop the writers, copy, show the copy
 * everywhere, let the writers on. See gate.h for what may run in between.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "share.h"
#include "user.h"

uint64_t berth_port_share_fail, berth_port_share_fail_more;

/* There is one swap at a time. */
static uint32_t is_gated;

RAW bool berth_port_share_fails(void)
{
	uint64_t left = __atomic_load_n(&berth_port_share_fail, __ATOMIC_RELAXED);

	if (!left)
		return false;
	if (left == 1 && berth_port_share_fail_more)
		berth_port_share_fail_more--;
	else
		__atomic_store_n(&berth_port_share_fail, left - 1, __ATOMIC_RELAXED);
	return left == 1;
}

/* Any other fault there is over by the time we look, or the program's own, and comes again. */
RAW enum trap_answer berth_port_share_look(const struct trap_range *trap, uintptr_t at,
					   bool is_write)
{
	(void)trap;
	(void)at;
	return is_write && __atomic_load_n(&is_gated, __ATOMIC_SEQ_CST) ? TRAP_WAIT : TRAP_RETRY;
}

static RAW void step(enum gate_step step)
{
	void (*hook)(enum gate_step step) =
		__atomic_load_n(&berth_port_gate_hook, __ATOMIC_RELAXED);

	if (hook)
		hook(step);
}

static RAW int shut(uintptr_t at, uint64_t size)
{
	return berth_port_share_fails() ? -ENOMEM : berth_port_gate->shut(at, size);
}

static RAW int show(uintptr_t at, uint64_t size, int fd, uint64_t offset,
		    enum berth_port_access access)
{
	if (berth_port_share_fails())
		return -ENOMEM;
	return berth_port_gate->show(at, size, fd, (off_t)offset, access);
}

static RAW int shut_all(const struct share_swap *swap)
{
	struct range_cursor cursor;
	int ret = shut(swap->place, swap->size);

	berth_port_range_first(&cursor, swap->phys, swap->size, swap->key);
	while (!ret && berth_port_range_next(&cursor))
		ret = shut(cursor.virt, cursor.length);
	return ret;
}

static RAW void open_ranges(const struct share_swap *swap)
{
	struct range_cursor cursor;

	berth_port_range_first(&cursor, swap->phys, swap->size, swap->key);
	while (berth_port_range_next(&cursor))
		berth_port_gate->open(cursor.virt, cursor.length);
}

/* The kernel reads the pages, and writes the file: no page of it has to be mapped for that. */
static RAW int copy(const struct share_swap *swap)
{
	uint64_t done = 0;

	while (done < swap->size) {
		long size = -1;

		if (berth_port_share_fails())
			return -ENOMEM;
		size = syscall(SYS_pwrite64, swap->to_fd, swap->place + done, swap->size - done,
			       swap->to + done);
		if (size < 0 && errno != EINTR)
			return -ENOMEM;
		done += size > 0 ? (uint64_t)size : 0;
	}
	return 0;
}

/*
 * As in a move, nobody may write to one file as long as somebody sees the other: the ranges become
 * readable, the machine's own mapping writable, and then the ranges.
 */
static RAW int show_all(const struct share_swap *swap)
{
	struct range_cursor cursor;
	uint64_t shown = 0;
	int ret = 0;

	berth_port_range_first(&cursor, swap->phys, swap->size, swap->key);
	while (!ret && berth_port_range_next(&cursor)) {
		ret = show(cursor.virt, cursor.length, swap->to_fd, swap->to + cursor.inside,
			   BERTH_ACCESS_READ);
		shown += !ret;
		step(GATE_SHOWING);
	}
	if (!ret)
		ret = show(swap->place, swap->size, swap->to_fd, swap->to, BERTH_ACCESS_WRITE);
	if (!ret)
		return 0;
	/* One mapping in the place of one that is there: the host has no reason to refuse. */
	berth_port_range_first(&cursor, swap->phys, swap->size, swap->key);
	for (; shown && berth_port_range_next(&cursor); shown--)
		while (show(cursor.virt, cursor.length, swap->from_fd, swap->from + cursor.inside,
			    BERTH_ACCESS_READ))
			if (!berth_port_share_room())
				syscall(SYS_sched_yield);
	return ret;
}

static RAW void wake_all(const struct share_swap *swap)
{
	struct range_cursor cursor;

	__atomic_store_n(&is_gated, 0, __ATOMIC_SEQ_CST);
	berth_port_gate->wake(swap->place, swap->size);
	berth_port_range_first(&cursor, swap->phys, swap->size, swap->key);
	while (berth_port_range_next(&cursor))
		berth_port_gate->wake(cursor.virt, cursor.length);
}

RAW int berth_port_share_swap(const struct share_swap *swap)
{
	int ret;

	step(GATE_BEFORE);
	__atomic_store_n(&is_gated, 1, __ATOMIC_SEQ_CST);
	ret = shut_all(swap);
	step(GATE_SHUT);
	if (!ret)
		ret = copy(swap);
	step(GATE_COPIED);
	if (!ret)
		ret = show_all(swap);
	if (ret)
		berth_port_gate->open(swap->place, swap->size);
	open_ranges(swap);
	step(GATE_SHOWN);
	wake_all(swap);
	/* If not, the bytes are there twice, which nobody sees. */
	if (!ret)
		syscall(SYS_fallocate, swap->from_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			swap->from, swap->size);
	return ret;
}
