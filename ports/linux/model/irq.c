// SPDX-License-Identifier: BSD-2-Clause
/* The interrupt controller, and the alarm. */
#include <errno.h>

#include "model/internal.h"

/* A line that nobody serves would keep the program from ever going on. */
#define MAX_UNHANDLED 100000u

static void update(unsigned int irq)
{
	const struct irq_line *line = &soc.irqs[irq];
	bool is_due = line->is_level ? line->asserted > 0 : line->is_latched;
	uint64_t bit = 1ull << irq % 64;

	if (is_due && line->is_unmasked && !line->is_running) {
		soc.irqs_ready[irq / 64] |= bit;
		soc.has_news = true;
	} else {
		soc.irqs_ready[irq / 64] &= ~bit;
	}
}

void model_irq(struct model_device *dev, unsigned int index, bool asserted)
{
	struct box *box = box_of(dev);
	struct irq_line *line;

	if (index >= dev->nr_irqs || dev->irqs[index] >= MODEL_IRQS)
		return;
	pthread_mutex_lock(&soc.lock);
	line = &soc.irqs[dev->irqs[index]];
	if (box->asserted[index] != asserted) {
		box->asserted[index] = asserted;
		if (asserted && !line->asserted++)
			line->is_latched = true;
		else if (!asserted)
			line->asserted--;
		update(dev->irqs[index]);
	}
	pthread_mutex_unlock(&soc.lock);
}

int gic_unmask(unsigned int irq, bool level)
{
	if (irq >= MODEL_IRQS)
		return berth_port_fail(-EINVAL, BERTH_REASON_IRQ, "irq", irq, 0);
	model_enter(100);
	soc.irqs[irq].is_unmasked = true;
	soc.irqs[irq].is_level = level;
	update(irq);
	model_leave();
	return 0;
}

void gic_mask(unsigned int irq)
{
	if (irq >= MODEL_IRQS)
		return;
	model_enter(100);
	soc.irqs[irq].is_unmasked = false;
	update(irq);
	model_leave();
}

void irq_alarm(uint64_t at_ns)
{
	model_enter(20);
	soc.alarm_at = at_ns;
	soc.has_news = true;
	model_leave();
}

static bool is_alarm_due(void)
{
	return soc.alarm_at <= soc.now && !soc.is_alarm_running;
}

bool irq_is_ready(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(soc.irqs_ready); i++)
		if (soc.irqs_ready[i])
			return true;
	return is_alarm_due();
}

/* One of those that are ready and were not @seen, by chance; MODEL_IRQS: none. */
static unsigned int choose(const uint64_t *seen)
{
	unsigned int found = 0, chosen = MODEL_IRQS;

	for (unsigned int i = 0; i < ARRAY_SIZE(soc.irqs_ready); i++) {
		uint64_t left = soc.irqs_ready[i] & ~seen[i];

		for (; left; left &= left - 1) {
			if (!found++ || !model_chance(CHANCE_IRQ, found))
				chosen = i * 64 + (unsigned int)__builtin_ctzll(left);
		}
	}
	return chosen;
}

/* With the lock, which it drops while the handler runs. */
static void run_irq(unsigned int irq)
{
	struct irq_line *line = &soc.irqs[irq];
	bool is_handled;

	line->is_running = true;
	line->is_latched = false;
	update(irq);
	soc.stats.interrupts++;
	model_note(NOTE_IRQ, irq, soc.now);
	pthread_mutex_unlock(&soc.lock);
	watch_ordered(BERTH_ORDERS_READS);
	is_handled = berth_irq_handle(irq);
	pthread_mutex_lock(&soc.lock);
	line->is_running = false;
	line->unhandled = is_handled ? 0 : line->unhandled + 1;
	if (line->unhandled == MAX_UNHANDLED) {
		static const char message[] = "model: an interrupt that nobody serves is masked\n";

		berth_port_print(message, sizeof(message) - 1);
		line->is_unmasked = false;
		line->unhandled = 0;
	}
	update(irq);
	soc.has_news = true;
}

static void run_alarm(void)
{
	soc.is_alarm_running = true;
	soc.alarm_at = UINT64_MAX;
	model_note(NOTE_ALARM, 0, soc.now);
	pthread_mutex_unlock(&soc.lock);
	watch_ordered(BERTH_ORDERS_READS);
	berth_timer_handle();
	pthread_mutex_lock(&soc.lock);
	soc.is_alarm_running = false;
	soc.has_news = true;
}

/*
 * Deliver what waits, each line once: one that stays asserted comes again at the next call, so that
 * the program goes on between, as it does on hardware.
 */
void irq_deliver(void)
{
	uint64_t seen[ARRAY_SIZE(soc.irqs_ready)] = { 0 };
	unsigned int irq;

	if (berth_port_thread.irq_depth)
		return;
	berth_port_thread.irq_depth = 1;
	pthread_mutex_lock(&soc.lock);
	while ((irq = choose(seen)) < MODEL_IRQS) {
		seen[irq / 64] |= 1ull << irq % 64;
		run_irq(irq);
	}
	if (is_alarm_due())
		run_alarm();
	/* Leaves with interrupts still away, or a storm would nest. */
	model_leave();
	berth_port_thread.irq_depth = 0;
}
