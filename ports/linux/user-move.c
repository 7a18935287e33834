// SPDX-License-Identifier: BSD-2-Clause
/* A move: stop the writers, copy, show the copy, let the writers on. */
#include <errno.h>
#include <stdlib.h>

#include "user.h"

void (*berth_port_gate_hook)(enum gate_step step);

RAW void berth_port_raw_copy(void *to, const void *from, size_t size)
{
#if defined(__x86_64__)
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size)::"memory");
#else
	for (size_t i = 0; i < size / 8; i++)
		((volatile uint64_t *)to)[i] = ((const volatile uint64_t *)from)[i];
#endif
}

/* The part of a move during which writers sleep. */
struct move {
	struct user_change *changes;
	unsigned int nr;
	phys_addr_t from, to;
	size_t size;
	int fd;
	uint64_t from_offset, to_offset;
	void (*copy)(phys_addr_t to, phys_addr_t from, uint64_t size);
};

static RAW void step(enum gate_step step)
{
	void (*hook)(enum gate_step step) =
		__atomic_load_n(&berth_port_gate_hook, __ATOMIC_RELAXED);

	if (hook)
		hook(step);
}

static RAW void copy(const struct move *move)
{
	uintptr_t base = berth_port_linear.virt - (uintptr_t)berth_port_linear.phys;

	if (move->copy)
		move->copy(move->to, move->from, move->size);
	else
		berth_port_raw_copy((void *)(base + (uintptr_t)move->to),
				    (const void *)(base + (uintptr_t)move->from), move->size);
}

static RAW bool is_writable(const struct user_change *change)
{
	return (change->state & USER_ACCESS) == BERTH_ACCESS_WRITE;
}

static RAW int show(const struct move *move, unsigned int index, uint64_t offset,
		    enum berth_port_access access)
{
	const struct user_change *change = &move->changes[index];

	return berth_port_gate->show(change->at, change->size, move->fd, (off_t)offset, access);
}

/* The only view that may be written through; @nr if there is none, or several. */
static RAW unsigned int only_writer(const struct move *move)
{
	unsigned int writer = move->nr;

	for (unsigned int i = 0; i < move->nr; i++) {
		if (is_writable(&move->changes[i]) && writer < move->nr)
			return move->nr;
		if (is_writable(&move->changes[i]))
			writer = i;
	}
	return writer;
}

static RAW void open_writers(const struct move *move, unsigned int end, unsigned int but)
{
	for (unsigned int i = 0; i < end; i++)
		if (i != but && is_writable(&move->changes[i]))
			berth_port_gate->open(move->changes[i].at, move->size);
}

/*
 * As long as one view shows the old page nobody may write to the new one through another: who looks
 * at both would see what was written, and then what was there before. So all become readable first,
 * but for a view that is alone in being written through: it comes last.
 */
static RAW int show_all(const struct move *move)
{
	unsigned int writer = only_writer(move), shown = 0;
	int ret = 0;

	for (; shown < move->nr && !ret; shown += !ret) {
		if (shown != writer)
			ret = show(move, shown, move->to_offset, BERTH_ACCESS_READ);
		step(GATE_SHOWING);
	}
	if (!ret && writer < move->nr)
		ret = show(move, writer, move->to_offset, BERTH_ACCESS_WRITE);
	if (!ret) {
		open_writers(move, move->nr, writer);
		return 0;
	}
	/* One mapping in the place of one that is there: the host has no reason to refuse. */
	for (unsigned int i = 0; i < shown; i++)
		while (i != writer && show(move, i, move->from_offset, BERTH_ACCESS_READ))
			syscall(SYS_sched_yield);
	open_writers(move, move->nr, move->nr);
	return ret;
}

static RAW int move_between(const struct move *move)
{
	unsigned int shut = 0;
	int ret = 0;

	step(GATE_BEFORE);
	for (; shut < move->nr && !ret; shut += !ret)
		if (is_writable(&move->changes[shut]))
			ret = berth_port_gate->shut(move->changes[shut].at, move->size);
	step(GATE_SHUT);
	if (ret) {
		open_writers(move, shut, move->nr);
	} else {
		copy(move);
		step(GATE_COPIED);
		ret = show_all(move);
	}
	step(GATE_SHOWN);
	for (unsigned int i = 0; i < move->nr; i++)
		berth_port_user_finish(&move->changes[i], !ret);
	return ret;
}

static RAW int try_all(const struct move *move)
{
	for (unsigned int i = 0; i < move->nr; i++) {
		int ret = berth_port_user_begin(&move->changes[i]);

		if (ret) {
			while (i--)
				berth_port_user_finish(&move->changes[i], false);
			return ret;
		}
	}
	return 0;
}

/* From a success on, pages are gated. */
static int begin_all(const struct move *move)
{
	int ret = try_all(move);

	if (ret != -ENOMEM)
		return ret;
	berth_port_user_read_limit(false);
	return try_all(move);
}

static int do_move(struct move *move, const struct berth_port_view *views)
{
	const struct berth_machine *machine = berth_port_machine();
	int ret;

	for (unsigned int i = 0; i < move->nr; i++)
		if ((views[i].access != BERTH_ACCESS_READ &&
		     views[i].access != BERTH_ACCESS_WRITE) ||
		    !berth_port_user_describe(&move->changes[i], views[i].virt, move->size,
					      move->to | views[i].access, false))
			return berth_port_user_fail(-EINVAL, "views", (uintptr_t)views[i].virt,
						    move->size);
	move->fd = berth_port_user_file(move->from, move->size, &move->from_offset);
	if (move->fd < 0)
		return berth_port_user_fail(move->fd, "from", move->from, move->size);
	move->fd = berth_port_user_file(move->to, move->size, &move->to_offset);
	if (move->fd < 0)
		return berth_port_user_fail(move->fd, "to", move->to, move->size);
	move->copy = machine->copy;
	ret = begin_all(move);
	if (!ret)
		ret = move_between(move);
	if (ret)
		return berth_port_user_fail(ret, "berth_port_user_move", move->from, move->size);
	__atomic_fetch_add(&berth_port_gate_stats.moves, 1, __ATOMIC_RELAXED);
	return 0;
}

int berth_port_user_move(const struct berth_port_view *views, unsigned int nr, phys_addr_t from,
			 phys_addr_t to, uint64_t size)
{
	struct user_change few[4] = { { .range = NULL } };
	struct move move = { .nr = nr, .from = from, .to = to, .size = size, .changes = few };
	int ret;

	if (!size || !nr)
		return berth_port_user_fail(-EINVAL, "size", from, size);
	if (nr > ARRAY_SIZE(few))
		move.changes = calloc(nr, sizeof(few[0]));
	if (!move.changes)
		return berth_port_fail(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "views", 0, nr);
	ret = do_move(&move, views);
	for (unsigned int i = 0; i < nr; i++)
		berth_port_user_put(&move.changes[i]);
	if (move.changes != few)
		free(move.changes);
	return ret;
}
