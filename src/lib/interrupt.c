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

/* Of a line's state, above which its number lies: who comes late for another number does not get it. */
#define BUSY 1u /* somebody calls its handlers */
#define MISSED 2u /* an edge came while it was busy or disabled */
#define DISABLED 4u
#define WAITED_FOR 8u /* somebody sleeps on the state until it is not busy */
#define NUMBER_SHIFT 4

struct irq_line {
	uint32_t state;
	struct irq_action *actions; /* NULL: the line is free */
	unsigned int disabled; /* depth of disable_irq() */
	unsigned int nr_leaving; /* of free_irq(), which still wait for a handler */
	bool level;
};

/*
 * Guards both tables, but for the state of a line. Taken with interrupts away; the port's own locks come
 * after it. An interrupt takes no lock: a line that it has made BUSY keeps its number, and its handlers stay
 * readable.
 */
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

static inline unsigned int number_of(const struct irq_line *line)
{
	return __atomic_load_n(&line->state, __ATOMIC_RELAXED) >> NUMBER_SHIFT;
}

static inline bool is_line_of(const struct irq_line *line, unsigned int irq)
{
	return number_of(line) == irq && __atomic_load_n(&line->actions, __ATOMIC_RELAXED);
}

static __attribute__((noinline)) struct irq_line *search_line(unsigned int irq)
{
	for (unsigned int i = 1; i < MAX_LINES; i++) {
		struct irq_line *line = &lines[(irq + i) % MAX_LINES];

		if (is_line_of(line, irq))
			return line;
	}
	return NULL;
}

/* A line is at its number's place in the table, or at the next one that was free. */
static inline struct irq_line *find_line(unsigned int irq)
{
	struct irq_line *line = &lines[irq % MAX_LINES];

	return is_line_of(line, irq) ? line : search_line(irq);
}

/* False: an interrupt that found it before it was free is still at it. */
static bool set_number(struct irq_line *line, unsigned int irq)
{
	uint32_t state = __atomic_load_n(&line->state, __ATOMIC_RELAXED);

	do
		if (state & BUSY)
			return false;
	while (!__atomic_compare_exchange_n(&line->state, &state, irq << NUMBER_SHIFT, false,
					    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	return true;
}

static struct irq_line *new_line(unsigned int irq, bool level)
{
	for (unsigned int i = 0; i < MAX_LINES; i++) {
		struct irq_line *line = &lines[(irq + i) % MAX_LINES];

		if (line->actions || line->nr_leaving || !set_number(line, irq))
			continue;
		__atomic_store_n(&line->level, level, __ATOMIC_RELAXED);
		line->disabled = 0;
		return line;
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

static void wait_until_idle(struct irq_line *line)
{
	uint32_t state;

	while (__atomic_load_n(&line->state, __ATOMIC_SEQ_CST) & BUSY) {
		state = __atomic_or_fetch(&line->state, WAITED_FOR, __ATOMIC_ACQUIRE);
		if (state & BUSY)
			berth_port_wait(&line->state, state, berth_port_now() + NSEC_PER_MSEC);
	}
}

/* Nobody finds the action any more, and the line stays taken until nobody can have seen it. With the lock. */
static void unlink_action(struct irq_line *line, struct irq_action **at)
{
	line->nr_leaving++;
	/* Either an interrupt does not find it, or it is seen to be busy. */
	__atomic_store_n(at, (*at)->next, __ATOMIC_SEQ_CST);
}

/* Of one that is unlinked. Without the lock. */
static void free_action(struct irq_line *line, struct irq_action *action)
{
	unsigned long flags;

	wait_until_idle(line);
	spin_lock_irqsave(&irq_lock, flags);
	action->handler = NULL;
	line->nr_leaving--;
	spin_unlock_irqrestore(&irq_lock, flags);
}

/* Its line, and the action that became of it; neither, or an action that is unlinked, if it fails. */
struct added {
	struct irq_line *line;
	struct irq_action *action;
};

static int add_action(unsigned int irq, const struct irq_action *wanted, struct added *added)
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
	*added = (struct added){ line, action };
	__atomic_store_n(&line->actions, action, __ATOMIC_RELEASE);
	if (action->next)
		return 0;
	err = berth_port_irq_unmask(irq, line->level);
	if (err) {
		unlink_action(line, &line->actions);
		return refuse(err, irq, wanted->name, NULL);
	}
	return 0;
}

int request_irq(unsigned int irq, irq_handler_t handler, unsigned long flags, const char *name,
		void *dev_id)
{
	const struct irq_action wanted = { handler, dev_id, name ? name : "", flags, NULL };
	struct added added = { NULL, NULL };
	unsigned long irqs;
	int err;

	if (!handler || ((flags & IRQF_SHARED) && !dev_id) || irq > UINT32_MAX >> NUMBER_SHIFT)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "request_irq", irq);
	spin_lock_irqsave(&irq_lock, irqs);
	err = add_action(irq, &wanted, &added);
	spin_unlock_irqrestore(&irq_lock, irqs);
	if (err && added.action)
		free_action(added.line, added.action);
	return err;
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
		if (action == line->actions && !action->next)
			berth_port_irq_mask(irq);
		unlink_action(line, at);
	}
	spin_unlock_irqrestore(&irq_lock, flags);
	if (!action) {
		berth_fail_at(-EINVAL, BERTH_REASON_NOT_OWNED, "free_irq", irq);
		return;
	}
	free_action(line, action);
}

/* *@irq: which. */
static bool take_missed(struct irq_line *line, unsigned int *irq)
{
	unsigned long flags;
	bool is_missed;

	spin_lock_irqsave(&irq_lock, flags);
	*irq = number_of(line);
	is_missed = line->actions && (__atomic_load_n(&line->state, __ATOMIC_RELAXED) &
				      (MISSED | BUSY | DISABLED)) == MISSED;
	if (is_missed)
		__atomic_fetch_and(&line->state, ~MISSED, __ATOMIC_RELAXED);
	spin_unlock_irqrestore(&irq_lock, flags);
	return is_missed;
}

/* Edges do not come again by themselves: from here they do, where handlers are used to be called. */
static void deliver_missed(struct timer_list *timer)
{
	unsigned int irq;

	(void)timer;
	for (unsigned int i = 0; i < MAX_LINES; i++)
		if (take_missed(&lines[i], &irq))
			berth_irq_handle(irq);
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
		if (line->disabled++ == 0) {
			__atomic_fetch_or(&line->state, DISABLED, __ATOMIC_SEQ_CST);
			berth_port_irq_mask(irq);
		}
	} else if (line && line->disabled && --line->disabled == 0) {
		is_missed = __atomic_fetch_and(&line->state, ~DISABLED, __ATOMIC_SEQ_CST) & MISSED;
		berth_port_irq_unmask(irq, line->level);
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

/* The rest of enter(): it is somebody else's, disabled, or an edge was missed. */
static __attribute__((noinline)) bool enter_slowly(struct irq_line *line, unsigned int irq)
{
	uint32_t state = __atomic_load_n(&line->state, __ATOMIC_RELAXED);

	do
		if (state >> NUMBER_SHIFT != irq || state & (BUSY | DISABLED))
			return false;
	while (!__atomic_compare_exchange_n(&line->state, &state, (state & ~MISSED) | BUSY, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	return true;
}

/* The line becomes the caller's; false: it is somebody else's, disabled, or has another number by now. */
static inline bool enter(struct irq_line *line, unsigned int irq)
{
	uint32_t state = irq << NUMBER_SHIFT;

	return __atomic_compare_exchange_n(&line->state, &state, state | BUSY, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED) ||
	       enter_slowly(line, irq);
}

/*
 * It was somebody else's: an edge is not lost. True: it is taken care of. *@is_again: it is free by now. Of a
 * line that has another number by now, nobody wants the interrupt.
 */
static __attribute__((noinline)) bool miss(struct irq_line *line, unsigned int irq, bool *is_again)
{
	uint32_t state = __atomic_load_n(&line->state, __ATOMIC_RELAXED);

	*is_again = false;
	if (__atomic_load_n(&line->level, __ATOMIC_RELAXED))
		return false;
	do
		if (state >> NUMBER_SHIFT != irq)
			return false;
	while (!__atomic_compare_exchange_n(&line->state, &state, state | MISSED, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	/* What is busy goes round once more; what is disabled, when it is enabled. */
	*is_again = !(state & (BUSY | DISABLED));
	return true;
}

/* The rest of leave(): an edge was missed, the line was disabled, or somebody waits. */
static __attribute__((noinline)) bool leave_slowly(struct irq_line *line)
{
	uint32_t state = __atomic_load_n(&line->state, __ATOMIC_RELAXED), next;

	do {
		next = state & ~MISSED;
		if (!(state & MISSED) || state & DISABLED)
			next = state & ~(BUSY | WAITED_FOR);
	} while (!__atomic_compare_exchange_n(&line->state, &state, next, false, __ATOMIC_ACQ_REL,
					      __ATOMIC_RELAXED));
	if (next & BUSY)
		return false;
	if (state & WAITED_FOR)
		berth_port_wake(&line->state);
	return true;
}

/* False: an edge came meanwhile, and the line is still the caller's. */
static inline bool leave(struct irq_line *line, unsigned int irq)
{
	uint32_t state = irq << NUMBER_SHIFT | BUSY;

	return __atomic_compare_exchange_n(&line->state, &state, irq << NUMBER_SHIFT, false,
					   __ATOMIC_RELEASE, __ATOMIC_RELAXED) ||
	       leave_slowly(line);
}

static inline bool call_one(const struct irq_action *action, unsigned int irq)
{
	return action->handler((int)irq, action->dev_id) == IRQ_HANDLED;
}

static __attribute__((noinline)) bool call_others(const struct irq_action *action, unsigned int irq)
{
	bool handled = false;

	for (; action; action = __atomic_load_n(&action->next, __ATOMIC_SEQ_CST))
		handled |= call_one(action, irq);
	return handled;
}

/* Of a line that is the caller's; whose last handler may have gone until it was. */
static inline bool call_handlers(const struct irq_line *line, unsigned int irq)
{
	const struct irq_action *action = __atomic_load_n(&line->actions, __ATOMIC_SEQ_CST);
	bool handled;

	if (!action)
		return false;
	handled = call_one(action, irq);
	action = __atomic_load_n(&action->next, __ATOMIC_SEQ_CST);
	return action ? call_others(action, irq) || handled : handled;
}

/* The rest of handle(): edges come while the line is somebody's. */
static __attribute__((noinline)) bool handle_slowly(struct irq_line *line, unsigned int irq,
						    bool is_mine)
{
	bool handled = false, is_again;

	while (!is_mine) {
		handled = miss(line, irq, &is_again);
		if (!is_again)
			return handled;
		is_mine = enter(line, irq);
	}
	do
		handled |= call_handlers(line, irq);
	while (!leave(line, irq));
	return handled;
}

static inline bool handle(unsigned int irq)
{
	struct irq_line *line = find_line(irq);
	bool handled;

	if (!line)
		return false;
	if (!enter(line, irq))
		return handle_slowly(line, irq, false);
	handled = call_handlers(line, irq);
	if (!leave(line, irq))
		handled |= handle_slowly(line, irq, true);
	return handled;
}

bool berth_irq_handle(unsigned int irq)
{
	struct berth_handlers *mine = berth_handler_enter();
	bool handled = handle(irq);

	berth_handler_leave(mine);
	return handled;
}

void berth_interrupts_reset(void)
{
	for (unsigned int i = 0; i < MAX_LINES; i++) {
		if (lines[i].actions)
			berth_port_irq_mask(number_of(&lines[i]));
		lines[i] = (struct irq_line){ 0 };
	}
	memset(actions, 0, sizeof(actions));
	memset(edges, 0, sizeof(edges));
}
