/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/errno.h>
#include <berth/interrupt.h>
#include <berth/port.h>
#include <berth/timer.h>

#include "lib/error.h"
#include "lib/interrupt.h"
#include "lib/start.h"
#include "lib/string.h"

#define MAX_LINES 64
#define MAX_ACTIONS 128
/* Interrupts whose trigger can be remembered: a GIC has no more. */
#define MAX_IRQS 1024

/* One handler on a line. Stays readable until nobody can be walking the line's list. */
struct irq_action {
	irq_handler_t handler;
	void *dev_id;
	const char *name;
	unsigned long flags;
	struct irq_action *next;
};

struct irq_line {
	unsigned int irq;
	unsigned int disabled; /* depth of disable_irq() */
	uint32_t running; /* handlers walking the list now */
	bool level;
	bool is_busy; /* in berth_irq_handle() */
	bool is_missed; /* an edge came while it was busy or disabled */
	struct irq_action *actions; /* NULL: the line is free */
};

/* Guards both tables. Taken with interrupts away; the port's own locks come after it. */
static DEFINE_SPINLOCK(irq_lock);
static struct irq_line lines[MAX_LINES];
static struct irq_action actions[MAX_ACTIONS];

static uint32_t edges[MAX_IRQS / 32];

void berth_irq_set_edge(unsigned int irq, bool is_edge)
{
	uint32_t bit = 1u << irq % 32;

	if (irq >= MAX_IRQS)
		return;
	if (is_edge)
		__atomic_fetch_or(&edges[irq / 32], bit, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&edges[irq / 32], ~bit, __ATOMIC_RELAXED);
}

/* The caller's word counts, then the tree's. */
static bool is_level(unsigned int irq, unsigned long flags)
{
	if (flags & (IRQF_TRIGGER_RISING | IRQF_TRIGGER_FALLING))
		return false;
	if (flags & (IRQF_TRIGGER_HIGH | IRQF_TRIGGER_LOW) || irq >= MAX_IRQS)
		return true;
	return !(__atomic_load_n(&edges[irq / 32], __ATOMIC_RELAXED) >> irq % 32 & 1);
}

/* A line is at its number's place in the table, or at the next one that was free. */
static struct irq_line *find_line(unsigned int irq)
{
	for (unsigned int i = 0; i < MAX_LINES; i++) {
		struct irq_line *line = &lines[(irq + i) % MAX_LINES];

		if (line->irq == irq && line->actions)
			return line;
	}
	return NULL;
}

static struct irq_line *new_line(unsigned int irq, bool level)
{
	for (unsigned int i = 0; i < MAX_LINES; i++) {
		struct irq_line *line = &lines[(irq + i) % MAX_LINES];

		if (!line->actions && !__atomic_load_n(&line->running, __ATOMIC_RELAXED)) {
			*line = (struct irq_line){ .irq = irq, .level = level };
			return line;
		}
	}
	return NULL;
}

static struct irq_action *new_action(void)
{
	for (unsigned int i = 0; i < MAX_ACTIONS; i++)
		if (!actions[i].handler)
			return &actions[i];
	return NULL;
}

static int refuse(int code, unsigned int irq, const char *name, const char *holder)
{
	struct berth_error *error = berth_error_set(code, BERTH_REASON_IRQ, name);

	error->address = irq;
	if (holder)
		berth_strlcpy(error->holder, holder, sizeof(error->holder));
	return code;
}

static int add_action(unsigned int irq, const struct irq_action *wanted)
{
	struct irq_line *line = find_line(irq);
	struct irq_action *action = new_action();
	int err;

	if (line && !(line->actions->flags & wanted->flags & IRQF_SHARED))
		return refuse(-EBUSY, irq, wanted->name, line->actions->name);
	if (!line)
		line = new_line(irq, is_level(irq, wanted->flags));
	if (!line || !action)
		return berth_fail_limit(-ENOMEM, BERTH_REASON_TABLE_FULL, "interrupt handlers", 0,
					action ? MAX_LINES : MAX_ACTIONS);
	*action = *wanted;
	action->next = line->actions;
	__atomic_store_n(&line->actions, action, __ATOMIC_RELEASE);
	if (action->next)
		return 0;
	err = berth_port_irq_unmask(irq, line->level);
	if (err) {
		line->actions = NULL;
		action->handler = NULL;
		return refuse(err, irq, wanted->name, NULL);
	}
	return 0;
}

int request_irq(unsigned int irq, irq_handler_t handler, unsigned long flags, const char *name,
		void *dev_id)
{
	const struct irq_action wanted = { handler, dev_id, name ? name : "", flags, NULL };
	unsigned long irqs;
	int err;

	if (!handler || ((flags & IRQF_SHARED) && !dev_id))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "request_irq", irq);
	spin_lock_irqsave(&irq_lock, irqs);
	err = add_action(irq, &wanted);
	spin_unlock_irqrestore(&irq_lock, irqs);
	return err;
}

static void wait_until_idle(struct irq_line *line)
{
	uint32_t running;

	while ((running = __atomic_load_n(&line->running, __ATOMIC_ACQUIRE)) != 0)
		berth_port_wait(&line->running, running, berth_port_now() + NSEC_PER_MSEC);
}

void free_irq(unsigned int irq, void *dev_id)
{
	struct irq_action *action = NULL, **at;
	struct irq_line *line;
	unsigned long flags;

	spin_lock_irqsave(&irq_lock, flags);
	line = find_line(irq);
	for (at = line ? &line->actions : &action; *at; at = &(*at)->next) {
		if ((*at)->dev_id == dev_id) {
			action = *at;
			break;
		}
	}
	if (action) {
		/* The line stays taken, by its running count, until the walkers are out. */
		__atomic_fetch_add(&line->running, 1, __ATOMIC_RELAXED);
		if (action == line->actions && !action->next)
			berth_port_irq_mask(irq);
		__atomic_store_n(at, action->next, __ATOMIC_RELEASE);
		__atomic_fetch_sub(&line->running, 1, __ATOMIC_RELAXED);
	}
	spin_unlock_irqrestore(&irq_lock, flags);
	if (!action) {
		berth_fail_at(-EINVAL, BERTH_REASON_NOT_OWNED, "free_irq", irq);
		return;
	}
	wait_until_idle(line);
	__atomic_store_n(&action->handler, NULL, __ATOMIC_RELEASE);
}

static bool take_missed(struct irq_line *line)
{
	unsigned long flags;
	bool is_missed;

	spin_lock_irqsave(&irq_lock, flags);
	is_missed = line->actions && line->is_missed && !line->disabled && !line->is_busy;
	if (is_missed)
		line->is_missed = false;
	spin_unlock_irqrestore(&irq_lock, flags);
	return is_missed;
}

/* Edges do not come again by themselves: from here they do, where handlers are used to be called. */
static void deliver_missed(struct timer_list *timer)
{
	(void)timer;
	for (unsigned int i = 0; i < MAX_LINES; i++)
		if (take_missed(&lines[i]))
			berth_irq_handle(lines[i].irq);
}

static struct timer_list missed_timer = { .function = deliver_missed };

static void change_depth(unsigned int irq, bool disable)
{
	struct irq_line *line;
	unsigned long flags;
	bool is_missed = false;

	spin_lock_irqsave(&irq_lock, flags);
	line = find_line(irq);
	if (line && disable) {
		if (line->disabled++ == 0)
			berth_port_irq_mask(irq);
	} else if (line && line->disabled && --line->disabled == 0) {
		berth_port_irq_unmask(irq, line->level);
		is_missed = line->is_missed;
	}
	spin_unlock_irqrestore(&irq_lock, flags);
	if (is_missed)
		berth_mod_timer_ns(&missed_timer, 0);
}

void disable_irq_nosync(unsigned int irq)
{
	change_depth(irq, true);
}

void disable_irq(unsigned int irq)
{
	change_depth(irq, true);
	synchronize_irq(irq);
}

void enable_irq(unsigned int irq)
{
	change_depth(irq, false);
}

void synchronize_irq(unsigned int irq)
{
	struct irq_line *line;
	unsigned long flags;

	spin_lock_irqsave(&irq_lock, flags);
	line = find_line(irq);
	spin_unlock_irqrestore(&irq_lock, flags);
	if (line)
		wait_until_idle(line);
}

static bool call_handlers(const struct irq_line *line)
{
	struct irq_action *action = __atomic_load_n(&line->actions, __ATOMIC_ACQUIRE);
	bool handled = false;

	while (action) {
		handled |= action->handler((int)line->irq, action->dev_id) == IRQ_HANDLED;
		action = __atomic_load_n(&action->next, __ATOMIC_ACQUIRE);
	}
	return handled;
}

/* Interrupts are away already. */
static bool handle(unsigned int irq)
{
	struct irq_line *line;
	bool handled = false;

	spin_lock(&irq_lock);
	line = find_line(irq);
	if (!line || line->disabled || line->is_busy) {
		/* What is busy goes round once more; what is disabled, when it is enabled. */
		if (line && !line->level)
			line->is_missed = handled = true;
		spin_unlock(&irq_lock);
		return handled;
	}
	__atomic_fetch_add(&line->running, 1, __ATOMIC_RELAXED);
	line->is_busy = true;
	do {
		line->is_missed = false;
		spin_unlock(&irq_lock);
		handled |= call_handlers(line);
		spin_lock(&irq_lock);
	} while (line->is_missed && !line->disabled);
	line->is_busy = false;
	__atomic_fetch_sub(&line->running, 1, __ATOMIC_RELEASE);
	spin_unlock(&irq_lock);
	berth_port_wake(&line->running);
	return handled;
}

bool berth_irq_handle(unsigned int irq)
{
	bool handled;

	berth_handler_enter();
	handled = handle(irq);
	berth_handler_leave();
	return handled;
}

void berth_interrupts_reset(void)
{
	for (unsigned int i = 0; i < MAX_LINES; i++) {
		if (lines[i].actions)
			berth_port_irq_mask(lines[i].irq);
		lines[i] = (struct irq_line){ 0 };
	}
	memset(actions, 0, sizeof(actions));
	memset(edges, 0, sizeof(edges));
}
