/* SPDX-License-Identifier: BSD-2-Clause */
/* Virtqueues of the virtio-iommu: requests that are answered, and events. */
#include <berth/dma-mapping.h>
#include <berth/errno.h>
#include <berth/error.h>
#include <berth/timer.h>

#include "virtio-iommu.h"

#define DESC_NEXT 1u
#define DESC_WRITE 2u
#define TIMEOUT_NS 2000000000ull
#define NO_SLOT VIOMMU_SLOTS

static struct vring_used_elem *used_entry(const struct vring *ring, uint16_t index)
{
	char *entries = (char *)ring->used + 4;

	return (struct vring_used_elem *)(void *)entries + index % ring->size;
}

int berth_viommu_ring_init(struct viommu *v, struct vring *ring, unsigned int size)
{
	size_t desc = size * sizeof(struct vring_desc), avail = 6 + 2 * size;
	size_t used = 6 + size * sizeof(struct vring_used_elem);

	avail = (avail + 3) & ~(size_t)3;
	ring->size = size;
	ring->bytes = desc + avail + used;
	ring->memory =
		dma_alloc_coherent(&v->pdev->dev, ring->bytes, &ring->bus, GFP_KERNEL | __GFP_ZERO);
	if (!ring->memory)
		return -ENOMEM;
	ring->desc = ring->memory;
	ring->avail = (uint16_t *)(void *)((char *)ring->memory + desc);
	ring->used = (uint16_t *)(void *)((char *)ring->memory + desc + avail);
	ring->next_avail = ring->last_used = 0;
	return 0;
}

void berth_viommu_ring_free(struct viommu *v, struct vring *ring)
{
	if (ring->memory)
		dma_free_coherent(&v->pdev->dev, ring->bytes, ring->memory, ring->bus);
	ring->memory = NULL;
}

#define BUFFERS_BYTES (VIOMMU_SLOTS * (VIOMMU_OUT_BYTES + VIOMMU_IN_BYTES))
#define EVENTS_BYTES (VIOMMU_EVENTS * sizeof(struct viommu_fault))

int berth_viommu_queue_init(struct viommu *v)
{
	struct viommu_queue *q = &v->requests;

	q->buffers = dma_alloc_coherent(&v->pdev->dev, BUFFERS_BYTES, &q->buffers_bus, GFP_KERNEL);
	v->event_buffers =
		dma_alloc_coherent(&v->pdev->dev, EVENTS_BYTES, &v->event_buffers_bus, GFP_KERNEL);
	return q->buffers && v->event_buffers ? 0 : -ENOMEM;
}

void berth_viommu_queue_free(struct viommu *v)
{
	struct viommu_queue *q = &v->requests;

	if (q->buffers)
		dma_free_coherent(&v->pdev->dev, BUFFERS_BYTES, q->buffers, q->buffers_bus);
	if (v->event_buffers)
		dma_free_coherent(&v->pdev->dev, EVENTS_BYTES, v->event_buffers,
				  v->event_buffers_bus);
	q->buffers = NULL;
	v->event_buffers = NULL;
}

/* Hand the chain that begins with a descriptor to the device. */
static void publish(struct vring *ring, uint16_t head)
{
	ring->avail[2 + ring->next_avail % ring->size] = head;
	ring->next_avail++;
	/* The entry is there before the index says so. */
	dma_wmb();
	__atomic_store_n(&ring->avail[1], ring->next_avail, __ATOMIC_RELAXED);
}

static bool take_used(struct vring *ring, uint32_t *head)
{
	if (__atomic_load_n(&ring->used[1], __ATOMIC_RELAXED) == ring->last_used)
		return false;
	/* The entry is read after the index. */
	dma_rmb();
	*head = __atomic_load_n(&used_entry(ring, ring->last_used)->id, __ATOMIC_RELAXED);
	ring->last_used++;
	return true;
}

static uint8_t *answer_of(const struct viommu_queue *q, unsigned int slot)
{
	return (uint8_t *)q->buffers + VIOMMU_SLOTS * VIOMMU_OUT_BYTES + slot * VIOMMU_IN_BYTES;
}

static int error_of(uint8_t status)
{
	switch (status) {
	case VIOMMU_OK:
		return 0;
	case VIOMMU_UNSUPP:
		return -ENOSYS;
	case VIOMMU_INVAL:
		return -EINVAL;
	case VIOMMU_RANGE:
		return -ERANGE;
	case VIOMMU_NOENT:
		return -ENOENT;
	case VIOMMU_FAULT:
		return -EFAULT;
	case VIOMMU_NOMEM:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

/* Requests that were answered; those nobody waits for are free again. Under q->lock. */
static void reap(struct viommu *v)
{
	struct viommu_queue *q = &v->requests;
	uint32_t head;

	while (take_used(&q->ring, &head)) {
		unsigned int slot = head / 2;

		if (slot >= VIOMMU_SLOTS || head % 2 || q->slots[slot] == SLOT_FREE ||
		    q->slots[slot] == SLOT_DONE) {
			dev_err(&v->pdev->dev, "answers what it was not asked (%u)\n",
				(unsigned int)head);
			q->is_broken = true;
			continue;
		}
		if (q->slots[slot] == SLOT_WAITED_FOR) {
			q->slots[slot] = SLOT_DONE;
			continue;
		}
		if (*answer_of(q, slot) != VIOMMU_OK)
			dev_err(&v->pdev->dev, "refuses an UNMAP: status %u\n",
				*answer_of(q, slot));
		q->slots[slot] = SLOT_FREE;
	}
}

static bool has_free(const struct viommu_queue *q)
{
	for (unsigned int i = 0; i < VIOMMU_SLOTS; i++)
		if (q->slots[i] == SLOT_FREE)
			return true;
	return false;
}

static bool is_answered(const struct viommu_queue *q, uint64_t before)
{
	for (unsigned int i = 0; i < VIOMMU_SLOTS; i++)
		if (q->slots[i] != SLOT_FREE && q->slots[i] != SLOT_DONE && q->sent[i] < before)
			return false;
	return true;
}

/*
 * Return, with the lock, when a slot is free (@slot NO_SLOT), or when that one is done; false: the
 * device does not answer.
 */
static bool wait_for(struct viommu *v, unsigned int slot, unsigned long *flags)
{
	struct viommu_queue *q = &v->requests;
	uint64_t deadline = 0;

	for (;;) {
		spin_lock_irqsave(&q->lock, *flags);
		reap(v);
		if (q->is_broken)
			return false;
		if (slot == NO_SLOT ? has_free(q) : q->slots[slot] == SLOT_DONE)
			return true;
		if (!deadline)
			deadline = ktime_get_ns() + TIMEOUT_NS;
		if (ktime_get_ns() > deadline) {
			dev_err(&v->pdev->dev, "does not answer any more\n");
			q->is_broken = true;
			return false;
		}
		spin_unlock_irqrestore(&q->lock, *flags);
		udelay(1);
	}
}

static int gone(const struct viommu *v)
{
	return berth_set_error(dev_name(&v->pdev->dev), -EIO, BERTH_REASON_NO_DEVICE, 0, 0);
}

/* Put a request into the ring; its slot, or NO_SLOT. */
static unsigned int send(struct viommu *v, const void *request, size_t size, dma_addr_t in,
			 size_t in_size, enum viommu_slot kind)
{
	struct viommu_queue *q = &v->requests;
	unsigned int slot = 0;
	struct vring_desc *desc;
	unsigned long flags;
	char *out;

	if (!wait_for(v, NO_SLOT, &flags)) {
		spin_unlock_irqrestore(&q->lock, flags);
		return NO_SLOT;
	}
	while (q->slots[slot] != SLOT_FREE)
		slot++;
	out = q->buffers + slot * VIOMMU_OUT_BYTES;
	for (size_t i = 0; i < size; i++)
		out[i] = ((const char *)request)[i];
	*answer_of(q, slot) = 0xff;
	desc = &q->ring.desc[2 * slot];
	desc[0] = (struct vring_desc){ q->buffers_bus + slot * VIOMMU_OUT_BYTES, (uint32_t)size,
				       DESC_NEXT, (uint16_t)(2 * slot + 1) };
	desc[1] = (struct vring_desc){ q->buffers_bus + VIOMMU_SLOTS * VIOMMU_OUT_BYTES +
					       slot * VIOMMU_IN_BYTES,
				       4, DESC_WRITE, 0 };
	if (in_size) {
		desc[1].addr = in;
		desc[1].len = (uint32_t)in_size;
	}
	q->slots[slot] = (uint8_t)kind;
	q->sent[slot] = q->nr_sent++;
	v->counts.requests++;
	v->counts.kicks++;
	publish(&q->ring, (uint16_t)(2 * slot));
	spin_unlock_irqrestore(&q->lock, flags);
	writew(0, q->ring.notify);
	return slot;
}

int berth_viommu_ask(struct viommu *v, const void *request, size_t size, dma_addr_t in,
		     size_t in_size, const uint8_t *in_status)
{
	struct viommu_queue *q = &v->requests;
	unsigned int slot = send(v, request, size, in, in_size, SLOT_WAITED_FOR);
	unsigned long flags;
	uint8_t status;
	bool is_done;

	if (slot == NO_SLOT)
		return gone(v);
	is_done = wait_for(v, slot, &flags);
	status = in_status ? *in_status : *answer_of(q, slot);
	/* The device may still write into the slot of one that is not answered: it stays taken. */
	if (is_done)
		q->slots[slot] = SLOT_FREE;
	spin_unlock_irqrestore(&q->lock, flags);
	return is_done ? error_of(status) : gone(v);
}

int berth_viommu_tell(struct viommu *v, const void *request, size_t size)
{
	return send(v, request, size, 0, 0, SLOT_ALONE) == NO_SLOT ? gone(v) : 0;
}

void berth_viommu_sync(struct viommu *v)
{
	struct viommu_queue *q = &v->requests;
	uint64_t before, deadline = ktime_get_ns() + TIMEOUT_NS;
	unsigned long flags;
	bool is_done;

	spin_lock_irqsave(&q->lock, flags);
	before = q->nr_sent;
	for (;;) {
		reap(v);
		is_done = q->is_broken || is_answered(q, before);
		if (!is_done && ktime_get_ns() > deadline) {
			dev_err(&v->pdev->dev, "does not answer any more\n");
			q->is_broken = is_done = true;
		}
		spin_unlock_irqrestore(&q->lock, flags);
		if (is_done)
			return;
		udelay(1);
		spin_lock_irqsave(&q->lock, flags);
	}
}

static void offer_event(struct viommu *v, uint16_t index)
{
	v->events.desc[index] =
		(struct vring_desc){ v->event_buffers_bus + index * sizeof(struct viommu_fault),
				     sizeof(struct viommu_fault), DESC_WRITE, 0 };
	publish(&v->events, index);
}

void berth_viommu_events_fill(struct viommu *v)
{
	for (uint16_t i = 0; i < v->events.size && i < VIOMMU_EVENTS; i++)
		offer_event(v, i);
	writew(1, v->events.notify);
}

static void report(struct viommu *v, const struct viommu_fault *fault)
{
	enum berth_iommu_fault_reason reason = BERTH_IOMMU_FAULT_UNKNOWN;

	if (fault->reason == VIOMMU_FAULT_DOMAIN)
		reason = BERTH_IOMMU_FAULT_STREAM;
	else if (fault->reason == VIOMMU_FAULT_MAPPING)
		reason = BERTH_IOMMU_FAULT_TRANSLATION;
	v->counts.faults++;
	berth_iommu_report_fault(
		&v->iommu, fault->endpoint,
		fault->flags & VIOMMU_FAULT_ADDRESS ? fault->address : 0,
		fault->flags & VIOMMU_FAULT_WRITE ? IOMMU_FAULT_WRITE : IOMMU_FAULT_READ, reason);
}

bool berth_viommu_events_drain(struct viommu *v)
{
	bool any = false;
	uint32_t index;

	while (take_used(&v->events, &index)) {
		struct viommu_fault fault;

		if (index >= v->events.size || index >= VIOMMU_EVENTS)
			continue;
		/* Once: the device may write it again. */
		fault = v->event_buffers[index];
		report(v, &fault);
		offer_event(v, (uint16_t)index);
		any = true;
	}
	if (any) {
		writew(1, v->events.notify);
		berth_iommu_report_end(&v->iommu);
	}
	return any;
}
