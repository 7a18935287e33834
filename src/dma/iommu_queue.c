/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unmapped ranges that the IOTLB may still hold. Each slot has a ring; an entry is free once an
 * invalidation that began after it was put in has ended. Those are counted when they begin and when
 * they end: if more have ended than had begun when the entry came, one of them began later.
 */
#include <berth/port.h>
#include <berth/slab.h>

#include "dma/iommu.h"
#include "lib/error.h"

#define NR_ENTRIES 256u
#define FLUSH_AFTER_NS (10 * NSEC_PER_MSEC)

/* @begun: how many invalidations had begun. */
struct waiting {
	uint64_t pfn;
	uint64_t nr;
	uint64_t begun;
};

struct iommu_queue {
	spinlock_t lock;
	unsigned int first;
	unsigned int count;
	struct waiting entries[NR_ENTRIES];
};

/*
 * struct iommu_queues - those of a domain
 * @begun, @ended: invalidations of all of it
 * @is_armed: the timer is to go off
 * @slots: rings, made when they are needed
 */
struct iommu_queues {
	struct iommu_dma_cookie *cookie;
	uint64_t begun;
	uint64_t ended;
	uint32_t is_armed;
	struct timer_list timer;
	struct iommu_queue *slots[BERTH_PORT_MAX_SLOTS + 1];
};

static void flush(struct iommu_queues *queues)
{
	__atomic_fetch_add(&queues->begun, 1, __ATOMIC_SEQ_CST);
	iommu_flush_iotlb_all(queues->cookie->domain);
	__atomic_fetch_add(&queues->ended, 1, __ATOMIC_SEQ_CST);
}

/* Give back what no invalidation is owed for any more. With the lock. */
static void give_back(const struct iommu_queues *queues, struct iommu_queue *queue)
{
	uint64_t ended = __atomic_load_n(&queues->ended, __ATOMIC_ACQUIRE);

	while (queue->count && queue->entries[queue->first].begun < ended) {
		const struct waiting *entry = &queue->entries[queue->first];

		free_iova_fast(&queues->cookie->iovad, entry->pfn, entry->nr);
		queue->first = (queue->first + 1) % NR_ENTRIES;
		queue->count--;
	}
}

static void give_back_all(struct iommu_queues *queues)
{
	for (unsigned int i = 0; i <= BERTH_PORT_MAX_SLOTS; i++) {
		struct iommu_queue *queue = __atomic_load_n(&queues->slots[i], __ATOMIC_ACQUIRE);
		unsigned long flags;

		if (!queue)
			continue;
		spin_lock_irqsave(&queue->lock, flags);
		give_back(queues, queue);
		spin_unlock_irqrestore(&queue->lock, flags);
	}
}

void berth_iommu_dma_queue_flush(struct iommu_queues *queues)
{
	flush(queues);
	give_back_all(queues);
}

static void on_timer(struct timer_list *timer)
{
	struct iommu_queues *queues = container_of(timer, struct iommu_queues, timer);

	/* What comes from here on sets it again. */
	__atomic_store_n(&queues->is_armed, 0, __ATOMIC_SEQ_CST);
	berth_iommu_dma_queue_flush(queues);
}

struct iommu_queues *berth_iommu_dma_queues(struct iommu_dma_cookie *cookie)
{
	struct iommu_queues *queues = kzalloc(sizeof(*queues), GFP_KERNEL);

	if (!queues)
		return NULL;
	queues->cookie = cookie;
	timer_setup(&queues->timer, on_timer, 0);
	return queues;
}

void berth_iommu_dma_queues_free(struct iommu_queues *queues)
{
	if (!queues)
		return;
	del_timer_sync(&queues->timer);
	berth_iommu_dma_queue_flush(queues);
	for (unsigned int i = 0; i <= BERTH_PORT_MAX_SLOTS; i++)
		kfree(queues->slots[i]);
	kfree(queues);
}

/* The caller's ring; NULL if there is no memory for it. */
static __attribute__((noinline)) struct iommu_queue *make_queue(struct iommu_queues *queues,
								unsigned int slot)
{
	const struct berth_error before = *berth_last_error();
	struct iommu_queue *queue, *other = NULL;

	queue = kzalloc(sizeof(*queue), GFP_ATOMIC | __GFP_NOWARN);
	if (!queue) {
		*berth_port_error() = before;
		return NULL;
	}
	if (__atomic_compare_exchange_n(&queues->slots[slot], &other, queue, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return queue;
	kfree(queue);
	return other;
}

/* Without a place to wait: now. */
static void flush_one(struct iommu_queues *queues, uint64_t pfn, uint64_t nr)
{
	flush(queues);
	free_iova_fast(&queues->cookie->iovad, pfn, nr);
}

void berth_iommu_dma_queue(struct iommu_queues *queues, uint64_t pfn, uint64_t nr)
{
	unsigned int slot = berth_port_slot_or_none();
	struct iommu_queue *queue = __atomic_load_n(&queues->slots[slot], __ATOMIC_ACQUIRE);
	struct waiting *entry;
	unsigned long flags;

	if (__builtin_expect(!queue, 0)) {
		queue = make_queue(queues, slot);
		if (!queue) {
			flush_one(queues, pfn, nr);
			return;
		}
	}
	/* The tables were written before it is looked how many invalidations have begun. */
	berth_port_mb();
	spin_lock_irqsave(&queue->lock, flags);
	give_back(queues, queue);
	if (__builtin_expect(queue->count == NR_ENTRIES, 0)) {
		spin_unlock_irqrestore(&queue->lock, flags);
		flush(queues);
		spin_lock_irqsave(&queue->lock, flags);
		give_back(queues, queue);
	}
	if (__builtin_expect(queue->count == NR_ENTRIES, 0)) {
		spin_unlock_irqrestore(&queue->lock, flags);
		flush_one(queues, pfn, nr);
		return;
	}
	entry = &queue->entries[(queue->first + queue->count++) % NR_ENTRIES];
	*entry = (struct waiting){ pfn, nr, __atomic_load_n(&queues->begun, __ATOMIC_SEQ_CST) };
	spin_unlock_irqrestore(&queue->lock, flags);
	if (!__atomic_load_n(&queues->is_armed, __ATOMIC_SEQ_CST) &&
	    !__atomic_exchange_n(&queues->is_armed, 1, __ATOMIC_SEQ_CST))
		berth_mod_timer_ns(&queues->timer, ktime_get_ns() + FLUSH_AFTER_NS);
}
