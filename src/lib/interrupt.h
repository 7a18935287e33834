/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts from the inside: what a device tree says about them. */
#ifndef BERTH_LIB_INTERRUPT_H
#define BERTH_LIB_INTERRUPT_H

#include <berth/barrier.h>
#include <berth/interrupt.h>
#include <berth/port.h>

/* How @irq is triggered when request_irq() does not say; levels unless this was called. */
void berth_irq_set_edge(unsigned int irq, bool is_edge);

/*
 * struct berth_handlers - handlers that run in a slot, and the tasklets that they have scheduled, the last
 * one first. Threads that share a slot share this, so all of it is atomic.
 */
struct berth_handlers {
	uint32_t nr;
	struct tasklet_struct *pending;
} __attribute__((aligned(64)));

extern struct berth_handlers berth_handlers[BERTH_PORT_MAX_SLOTS];

/* Of a slot whose last handler is about to leave, or has just left. */
void berth_run_tasklets(struct berth_handlers *mine);

/*
 * Around whatever the port calls as an interrupt would be; interrupts are away. Tasklets run when the last
 * one leaves.
 */
static inline struct berth_handlers *berth_handler_enter(void)
{
	struct berth_handlers *mine = &berth_handlers[berth_port_slot()];

	__atomic_fetch_add(&mine->nr, 1, __ATOMIC_SEQ_CST);
	return mine;
}

/* @mine: what berth_handler_enter() has returned. */
static inline void berth_handler_leave(struct berth_handlers *mine)
{
	if (__atomic_load_n(&mine->pending, __ATOMIC_RELAXED) &&
	    __atomic_load_n(&mine->nr, __ATOMIC_RELAXED) == 1)
		berth_run_tasklets(mine);
	/* Either this sees what is pending, or whoever has scheduled it sees that no handler is left. */
	while (!__atomic_sub_fetch(&mine->nr, 1, __ATOMIC_SEQ_CST) &&
	       __atomic_load_n(&mine->pending, __ATOMIC_SEQ_CST)) {
		__atomic_fetch_add(&mine->nr, 1, __ATOMIC_SEQ_CST);
		berth_run_tasklets(mine);
	}
}

/* Of a tasklet's state: */
#define TASKLET_SCHEDULED 1u
#define TASKLET_RUNNING 2u

/* Who waits in tasklet_kill(). */
extern uint32_t berth_tasklet_waiters;

/* The rest of berth_tasklet_end(). */
void berth_tasklet_end_again(struct tasklet_struct *tasklet);
void berth_tasklet_wake(void);

/*
 * Around what a tasklet does: it is RUNNING, and nobody else's. As soon as its state is 0 it may be gone.
 */
static inline void berth_tasklet_count(struct tasklet_struct *tasklet)
{
	__atomic_store_n(&tasklet->nr_runs, tasklet->nr_runs + 1, __ATOMIC_RELAXED);
}

static inline void berth_tasklet_end(struct tasklet_struct *tasklet)
{
	uint32_t state = TASKLET_RUNNING;

	berth_smp_order();
	if (!__atomic_compare_exchange_n(&tasklet->state, &state, 0, false, BERTH_SMP_SEQ_CST,
					 __ATOMIC_RELAXED))
		berth_tasklet_end_again(tasklet);
	berth_smp_order();
	if (__atomic_load_n(&berth_tasklet_waiters, BERTH_SMP_SEQ_CST))
		berth_tasklet_wake();
}

/*
 * As if it ran here, by somebody who keeps interrupts away, and holds the lock without which nobody schedules
 * it: one that rests goes on to rest meanwhile. False: it runs, or is about to.
 */
static inline bool berth_tasklet_begin(struct tasklet_struct *tasklet)
{
	if (__atomic_load_n(&tasklet->state, BERTH_SMP_ACQUIRE))
		return false;
	berth_smp_order();
	__atomic_store_n(&tasklet->state, TASKLET_RUNNING, __ATOMIC_RELAXED);
	berth_tasklet_count(tasklet);
	return true;
}

#endif
