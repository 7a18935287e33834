/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/port.h>
#include <berth/timer.h>
#include <berth/wait.h>

#include "lib/error.h"

/*
 * No wake-up is lost: who waits counts itself, then reads the turn, then looks at the condition; who
 * wakes changes the condition, then the turn, then looks whether somebody is counted.
 */

void init_waitqueue_head(struct wait_queue_head *queue)
{
	spin_lock_init(&queue->lock);
	INIT_LIST_HEAD(&queue->head);
	__atomic_store_n(&queue->turn, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&queue->sleepers, 0, __ATOMIC_RELAXED);
}

void add_wait_queue(struct wait_queue_head *queue, struct wait_queue_entry *entry)
{
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	list_add_tail(&entry->entry, &queue->head);
	spin_unlock_irqrestore(&queue->lock, flags);
}

void remove_wait_queue(struct wait_queue_head *queue, struct wait_queue_entry *entry)
{
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	list_del_init(&entry->entry);
	spin_unlock_irqrestore(&queue->lock, flags);
}

bool waitqueue_active(struct wait_queue_head *queue)
{
	bool is_active = __atomic_load_n(&queue->sleepers, __ATOMIC_SEQ_CST) != 0;
	unsigned long flags;

	if (is_active)
		return true;
	spin_lock_irqsave(&queue->lock, flags);
	is_active = !list_empty(&queue->head);
	spin_unlock_irqrestore(&queue->lock, flags);
	return is_active;
}

void berth_wake_up(struct wait_queue_head *queue, void *key)
{
	struct wait_queue_entry *entry, *next;
	unsigned long flags;

	__atomic_fetch_add(&queue->turn, 1, __ATOMIC_SEQ_CST);
	spin_lock_irqsave(&queue->lock, flags);
	list_for_each_entry_safe(entry, next, &queue->head, struct wait_queue_entry, entry)
		entry->func(entry, 0, 0, key);
	spin_unlock_irqrestore(&queue->lock, flags);
	if (__atomic_load_n(&queue->sleepers, __ATOMIC_SEQ_CST))
		berth_port_wake(&queue->turn);
}

uint32_t berth_wait_begin(struct wait_queue_head *queue)
{
	__atomic_fetch_add(&queue->sleepers, 1, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&queue->turn, __ATOMIC_SEQ_CST);
}

int berth_wait_sleep(struct wait_queue_head *queue, uint32_t turn, uint64_t deadline_ns)
{
	int err = berth_port_wait(&queue->turn, turn, deadline_ns);

	if (!err)
		return 0;
	return err == -ETIMEDOUT
		       ? -ETIME
		       : berth_fail(err, BERTH_REASON_NEVER, "an event that is waited for");
}

void berth_wait_end(struct wait_queue_head *queue)
{
	__atomic_fetch_sub(&queue->sleepers, 1, __ATOMIC_SEQ_CST);
}

void berth_wait_never(void)
{
	berth_port_panic("wait_event(): nothing is left that could wake");
}

uint64_t berth_wait_deadline(long timeout)
{
	uint64_t now = berth_port_now();

	if (timeout < 0 || timeout == MAX_SCHEDULE_TIMEOUT ||
	    (uint64_t)timeout >= (UINT64_MAX - now) / NSEC_PER_MSEC)
		return UINT64_MAX;
	return now + (uint64_t)timeout * NSEC_PER_MSEC;
}

long berth_wait_left(uint64_t deadline_ns, long timeout)
{
	uint64_t now = berth_port_now();

	if (deadline_ns == UINT64_MAX)
		return timeout > 0 ? timeout : MAX_SCHEDULE_TIMEOUT;
	return now < deadline_ns ? (long)((deadline_ns - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC)
				 : 1;
}
