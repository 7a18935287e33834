// SPDX-License-Identifier: BSD-2-Clause
/* Interrupts: what QEMU says of the inputs of its controller, and the alarm. */
#include <errno.h>

#include "qemu/internal.h"

/* A line that nobody serves would keep the program from ever going on. */
#define MAX_UNHANDLED 100000u

static void update(unsigned int irq)
{
	const struct qemu_line *line = &board.lines[irq];
	bool is_due = line->is_level ? line->is_asserted : line->is_latched;
	uint64_t bit = 1ull << irq % 64;

	if (is_due && line->is_unmasked && !line->is_running) {
		board.ready[irq / 64] |= bit;
		board.has_news = true;
	} else {
		board.ready[irq / 64] &= ~bit;
	}
}

void berth_qemu_set_line(unsigned int irq, bool is_asserted)
{
	struct qemu_line *line = &board.lines[irq];

	if (irq >= QEMU_IRQS)
		return;
	if (is_asserted && !line->is_asserted)
		line->is_latched = true;
	line->is_asserted = is_asserted;
	update(irq);
}

int berth_qemu_unmask(unsigned int irq, bool level)
{
	/* Those in front are the CPUs' own, and there is no CPU. */
	if (irq < QEMU_FIRST_SPI || irq >= QEMU_IRQS)
		return berth_port_fail(-EINVAL, BERTH_REASON_IRQ, "irq", irq, 0);
	berth_qemu_enter();
	board.lines[irq].is_unmasked = true;
	board.lines[irq].is_level = level;
	update(irq);
	berth_qemu_leave();
	return 0;
}

void berth_qemu_mask(unsigned int irq)
{
	if (irq >= QEMU_IRQS)
		return;
	berth_qemu_enter();
	board.lines[irq].is_unmasked = false;
	update(irq);
	berth_qemu_leave();
}

void berth_qemu_alarm(uint64_t at_ns)
{
	berth_qemu_enter();
	board.alarm_at = at_ns;
	board.has_news = true;
	berth_qemu_leave();
}

static bool is_alarm_due(void)
{
	return board.alarm_at != UINT64_MAX && !board.is_alarm_running &&
	       board.alarm_at <= berth_qemu_now();
}

bool berth_qemu_is_ready(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(board.ready); i++)
		if (board.ready[i])
			return true;
	return is_alarm_due();
}

/* The first that is ready and was not @seen; QEMU_IRQS: none. */
static unsigned int choose(const uint64_t *seen)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(board.ready); i++) {
		uint64_t left = board.ready[i] & ~seen[i];

		if (left)
			return i * 64 + (unsigned int)__builtin_ctzll(left);
	}
	return QEMU_IRQS;
}

/* With the lock, which it drops while the handler runs. */
static void run_irq(unsigned int irq)
{
	struct qemu_line *line = &board.lines[irq];
	bool is_handled;

	line->is_running = true;
	line->is_latched = false;
	update(irq);
	board.stats.interrupts++;
	pthread_mutex_unlock(&board.lock);
	is_handled = berth_irq_handle(irq);
	pthread_mutex_lock(&board.lock);
	line->is_running = false;
	line->unhandled = is_handled ? 0 : line->unhandled + 1;
	if (line->unhandled == MAX_UNHANDLED) {
		static const char message[] = "qemu: an interrupt that nobody serves is masked\n";

		berth_port_print(message, sizeof(message) - 1);
		line->is_unmasked = false;
		line->unhandled = 0;
	}
	update(irq);
}

static void run_alarm(void)
{
	board.is_alarm_running = true;
	board.alarm_at = UINT64_MAX;
	pthread_mutex_unlock(&board.lock);
	berth_timer_handle();
	pthread_mutex_lock(&board.lock);
	board.is_alarm_running = false;
	board.has_news = true;
}

/*
 * Deliver what waits, each line once: one that stays asserted comes again at the next call, so that
 * the program goes on between, as it does on hardware.
 */
void berth_qemu_poll(void)
{
	uint64_t seen[ARRAY_SIZE(board.ready)] = { 0 };
	unsigned int irq;

	if (berth_port_thread.irq_depth)
		return;
	berth_port_thread.irq_depth = 1;
	pthread_mutex_lock(&board.lock);
	while ((irq = choose(seen)) < QEMU_IRQS) {
		seen[irq / 64] |= 1ull << irq % 64;
		run_irq(irq);
	}
	if (is_alarm_due())
		run_alarm();
	/* Leaves with interrupts still away, or a storm would nest. */
	berth_qemu_leave();
	berth_port_thread.irq_depth = 0;
}
