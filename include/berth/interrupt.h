/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: interrupt - interrupt handlers (linux/interrupt.h)
 */
#ifndef BERTH_INTERRUPT_H
#define BERTH_INTERRUPT_H

#include <berth/spinlock.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * enum irqreturn - what a handler says
 */
typedef enum irqreturn {
	IRQ_NONE, /* not from my device */
	IRQ_HANDLED,
} irqreturn_t;

typedef irqreturn_t (*irq_handler_t)(int irq, void *dev_id);

#define IRQF_TRIGGER_NONE 0x0u
#define IRQF_TRIGGER_RISING 0x1u
#define IRQF_TRIGGER_FALLING 0x2u
#define IRQF_TRIGGER_HIGH 0x4u
#define IRQF_TRIGGER_LOW 0x8u
#define IRQF_SHARED 0x80u

/**
 * request_irq() - have a handler called
 * @irq: from platform_get_irq() or struct pci_dev
 * @handler: called with interrupts kept away, on any CPU or thread, never twice at once
 * @flags: IRQF_SHARED if others may use the line too; a trigger overrides the device tree's
 * @name: for reports; not copied, must live until free_irq()
 * @dev_id: handed to @handler; names this handler in free_irq(); not NULL for a shared line
 *
 * May sleep. Return: 0, -EBUSY (taken), -EINVAL (no such interrupt), -ENOMEM (table full);
 * berth_last_error(): IRQ, TABLE_FULL.
 */
int BERTH_MUST_CHECK request_irq(unsigned int irq, irq_handler_t handler, unsigned long flags,
				 const char *name, void *dev_id);

/**
 * free_irq() - take a handler away
 *
 * May sleep. On return the handler is not running and will not be called again.
 */
void free_irq(unsigned int irq, void *dev_id);

/** disable_irq() - hold a line back, and wait for its running handler. Nests. May sleep. */
void disable_irq(unsigned int irq);

/** disable_irq_nosync() - hold a line back without waiting. Nests. Any context. */
void disable_irq_nosync(unsigned int irq);

/** enable_irq() - undo one disable_irq(). Any context. */
void enable_irq(unsigned int irq);

/** synchronize_irq() - wait until a handler that is running now has returned. May sleep. */
void synchronize_irq(unsigned int irq);

/**
 * struct tasklet_struct - work that a handler leaves for later (linux/interrupt.h)
 * @callback: what to do
 * @next: private
 * @state: private
 * @nr_runs: private
 */
struct tasklet_struct {
	void (*callback)(struct tasklet_struct *tasklet);
	struct tasklet_struct *next;
	uint32_t state;
	uint32_t nr_runs;
};

/** tasklet_setup() - initialise a tasklet. Any context. */
void tasklet_setup(struct tasklet_struct *tasklet,
		   void (*callback)(struct tasklet_struct *tasklet));

/**
 * tasklet_schedule() - have it called soon
 *
 * Once for any number of calls until it starts; on any CPU or thread, with interrupts kept away,
 * after the handler has returned and when no lock of spin_lock_irqsave() is held there; never twice
 * at once. It may schedule itself, and must not sleep. What was written before is seen by it. Any
 * context.
 */
void tasklet_schedule(struct tasklet_struct *tasklet);

/**
 * tasklet_kill() - wait until a tasklet is neither scheduled nor running
 *
 * What it was scheduled for before has been done. Nobody schedules it meanwhile, but itself: that is
 * forgotten at some time, so that one that always does so ends. May sleep; not from a tasklet.
 */
void tasklet_kill(struct tasklet_struct *tasklet);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
