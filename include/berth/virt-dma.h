/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: virt-dma - descriptors of a channel, kept for its driver (drivers/dma/virt-dma.h)
 *
 * A driver embeds a struct virt_dma_chan in its channel and a struct virt_dma_desc in its descriptor. A
 * descriptor is allocated (prepared), submitted, issued, under way (in no list), completed; then its
 * callback is called from a tasklet, and it is freed, or allocated again if its client keeps it. In its
 * callback it is in no list, and one that is kept may be submitted or freed there. Callbacks come in
 * the order in which transfers and periods have ended.
 *
 * A driver that has nothing to allocate in the steady state keeps descriptors for the next prepare call,
 * which then is::
 *
 *	struct virt_dma_desc *vd = berth_vchan_recycled(vc);
 *
 *	if (!vd) {
 *		vd = ...;			// memory
 *		berth_vchan_add(vc, vd);
 *	}
 *	...					// what is to be done
 *	return berth_vchan_prepared(vd, flags);
 *
 * Its desc_free is berth_vchan_recycle(), or ends with it; of one for which there is nothing else to do
 * is_plain says so.
 */
#ifndef BERTH_VIRT_DMA_H
#define BERTH_VIRT_DMA_H

#include <berth/barrier.h>
#include <berth/dmaengine-driver.h>
#include <berth/interrupt.h>
#include <berth/list.h>
#include <berth/spinlock.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * struct virt_dma_desc - a descriptor
 * @tx: what the client sees
 * @tx_result: told to the client's callback; the driver changes it before vchan_cookie_complete()
 * @node: its place in one of the lists
 * @all: private: its place among all of the channel's
 * @next_spare: private: the next one of the channel's @spare
 * @is_plain: the driver's: all that its desc_free would do is to recycle it, so it need not be called
 * @is_allocated: private: prepared, or kept, and not submitted; atomic
 * @is_done: private: its callback is to come
 */
struct virt_dma_desc {
	struct dma_async_tx_descriptor tx;
	struct dmaengine_result tx_result;
	struct list_head node;
	struct list_head all;
	struct virt_dma_desc *next_spare;
	bool is_plain;
	bool is_allocated;
	bool is_done;
};

/**
 * struct virt_dma_chan - a channel
 * @chan: what the client sees
 * @task: completes descriptors; see vchan_init()
 * @desc_free: the driver's: a descriptor is not needed any more; with no lock held
 * @lock: guards the lists. Taken with interrupts away; inside it the driver's own, and those of the
 *	core, of tasklets and of timers
 * @desc_all: all that are not freed, wherever they are
 * @desc_submitted: prepared and submitted
 * @desc_issued: and issued
 * @desc_completed: done, their callbacks to be called
 * @desc_terminated: to be freed by vchan_synchronize()
 * @desc_recycled: see berth_vchan_recycle()
 * @ready: one of these, or NULL: the next one to be prepared, for which neither needs the lock. Atomic: put
 *	there by whoever calls callbacks, and nobody else; whoever prepares takes it
 * @spare: more of these, or NULL: those that were called back last are the next ones to be prepared, for
 *	which neither needs the lock. Atomic: whoever takes one takes all, and puts the rest back
 * @cyclic: the one of which a period has ended, and the callback is to be called
 * @called: the one whose callback is being called; atomic
 */
struct virt_dma_chan {
	struct dma_chan chan;
	struct tasklet_struct task;
	void (*desc_free)(struct virt_dma_desc *vd);
	spinlock_t lock;
	struct list_head desc_all;
	struct list_head desc_submitted;
	struct list_head desc_issued;
	struct list_head desc_completed;
	struct list_head desc_terminated;
	struct list_head desc_recycled;
	struct virt_dma_desc *ready;
	struct virt_dma_desc *spare;
	struct virt_dma_desc *cyclic;
	struct virt_dma_desc *called;
};

/** to_virt_chan() - the virtual channel around a channel. */
static inline struct virt_dma_chan *to_virt_chan(struct dma_chan *chan)
{
	return container_of(chan, struct virt_dma_chan, chan);
}

/** to_virt_desc() - the virtual descriptor around a descriptor. */
static inline struct virt_dma_desc *to_virt_desc(struct dma_async_tx_descriptor *tx)
{
	return container_of(tx, struct virt_dma_desc, tx);
}

/**
 * vchan_init() - initialise a channel and add it to its controller
 * @vc: zeroed but for @desc_free
 * @dmadev: its channels' list is initialised
 *
 * Any context. With vchan_cleanup() it ends.
 */
void vchan_init(struct virt_dma_chan *vc, struct dma_device *dmadev);

/** vchan_cleanup() - its tasklet is over; the channel leaves its controller's list. May sleep. */
void vchan_cleanup(struct virt_dma_chan *vc);

/**
 * vchan_tx_prep() - a descriptor is prepared
 * @vc: the channel
 * @vd: the descriptor; only @tx.phys and @tx.metadata_ops may have been set before
 * @tx_flags: as the client said
 *
 * Any context, without the lock. Return: what the client gets.
 */
struct dma_async_tx_descriptor *vchan_tx_prep(struct virt_dma_chan *vc, struct virt_dma_desc *vd,
					      unsigned long tx_flags);

/** vchan_issue_pending() - submitted ones become issued; whether there are any. With the lock. */
static inline bool vchan_issue_pending(struct virt_dma_chan *vc)
{
	list_splice_tail_init(&vc->desc_submitted, &vc->desc_issued);
	return !list_empty(&vc->desc_issued);
}

/** vchan_next_desc() - the issued one to start next, or NULL; the driver takes it out. With the lock. */
static inline struct virt_dma_desc *vchan_next_desc(struct virt_dma_chan *vc)
{
	return list_empty(&vc->desc_issued)
		       ? NULL
		       : container_of(vc->desc_issued.next, struct virt_dma_desc, node);
}

/**
 * berth_vchan_issue_first() - vchan_issue_pending() and vchan_next_desc() of a channel that rests
 *
 * With the lock. Return: the one to start, in no list, or NULL: there is none.
 */
static inline struct virt_dma_desc *berth_vchan_issue_first(struct virt_dma_chan *vc)
{
	struct list_head *list = &vc->desc_issued;
	struct virt_dma_desc *vd;

	if (list_empty(list))
		list = &vc->desc_submitted;
	if (list_empty(list))
		return NULL;
	vd = container_of(list->next, struct virt_dma_desc, node);
	list_del(&vd->node);
	if (!list_empty(&vc->desc_submitted))
		list_splice_tail_init(&vc->desc_submitted, &vc->desc_issued);
	return vd;
}

/**
 * vchan_find_desc() - the one with a cookie that has not started, or NULL
 *
 * Submitted or issued: of either the residue is its length. Linux: issued ones only. With the lock.
 */
struct virt_dma_desc *vchan_find_desc(struct virt_dma_chan *vc, dma_cookie_t cookie);

/**
 * vchan_cookie_complete() - a descriptor is done
 *
 * It is in no list. Its cookie is complete at once; as failed, if its result says so. The callback
 * follows. With the lock.
 */
void vchan_cookie_complete(struct virt_dma_desc *vd);

/** vchan_cyclic_callback() - a period of a cyclic descriptor has ended. With the lock. */
void vchan_cyclic_callback(struct virt_dma_desc *vd);

/**
 * vchan_terminate_vdesc() - a descriptor that was under way is over, and gets no callback
 *
 * Freed by vchan_synchronize(). With the lock.
 */
void vchan_terminate_vdesc(struct virt_dma_desc *vd);

/**
 * vchan_get_all_descriptors() - empty all lists into another
 *
 * Of @head, the driver frees what is there with vchan_dma_desc_free_list(), without the lock. With the
 * lock. Those that are allocated are among them.
 */
void vchan_get_all_descriptors(struct virt_dma_chan *vc, struct list_head *head);

/**
 * berth_vchan_terminate_all() - what most device_terminate_all() do with the lists
 *
 * All that was submitted, issued or done and not called back is moved to those that
 * vchan_synchronize() frees. With the lock. Linux: vchan_get_all_descriptors(), which also takes away
 * what a client has prepared and not submitted; here that stays the client's.
 */
void berth_vchan_terminate_all(struct virt_dma_chan *vc);

/** vchan_dma_desc_free_list() - free the descriptors in a list. Any context, without the lock. */
void vchan_dma_desc_free_list(struct virt_dma_chan *vc, struct list_head *head);

/** vchan_free_chan_resources() - free all descriptors, kept ones too; recycled ones stay. May sleep. */
void vchan_free_chan_resources(struct virt_dma_chan *vc);

/** vchan_synchronize() - callbacks are over of what was terminated, and that is freed. May sleep. */
void vchan_synchronize(struct virt_dma_chan *vc);

/** berth_vchan_recycle() - keep a descriptor for the next one. Without the lock. */
void berth_vchan_recycle(struct virt_dma_desc *vd);

/** berth_vchan_find_recycled() - the rest of berth_vchan_recycled(). */
struct virt_dma_desc *berth_vchan_find_recycled(struct virt_dma_chan *vc);

/** berth_vchan_put_spare() - private: one more to prepare, which nobody else knows. Any context. */
static inline void berth_vchan_put_spare(struct virt_dma_chan *vc, struct virt_dma_desc *vd)
{
	struct virt_dma_desc *first = __atomic_load_n(&vc->spare, __ATOMIC_RELAXED);

	do {
		vd->next_spare = first;
		berth_smp_order();
	} while (!__atomic_compare_exchange_n(&vc->spare, &first, vd, true, BERTH_SMP_RELEASE,
					      __ATOMIC_RELAXED));
}

/** berth_vchan_spare() - what berth_vchan_recycled() returns, if it is found at once; else NULL. */
static inline struct virt_dma_desc *berth_vchan_spare(struct virt_dma_chan *vc)
{
	struct virt_dma_desc *vd, *rest, *empty = NULL;

	if (__atomic_load_n(&vc->ready, __ATOMIC_RELAXED)) {
		vd = __atomic_exchange_n(&vc->ready, NULL, BERTH_SMP_ACQUIRE);
		berth_smp_order();
		if (vd)
			return vd;
	}
	vd = __atomic_exchange_n(&vc->spare, NULL, BERTH_SMP_ACQUIRE);
	berth_smp_order();
	rest = vd ? vd->next_spare : NULL;
	if (!rest || __atomic_compare_exchange_n(&vc->spare, &empty, rest, false, BERTH_SMP_RELEASE,
						 __ATOMIC_RELAXED))
		return vd;
	/* Others have been put there meanwhile. */
	while (rest) {
		struct virt_dma_desc *next = rest->next_spare;

		berth_vchan_put_spare(vc, rest);
		rest = next;
	}
	return vd;
}

/**
 * berth_vchan_recycled() - one that was kept, the last one first; NULL if none
 *
 * It is allocated, as with vchan_tx_prep(), and goes on to berth_vchan_prepared(), or back to
 * berth_vchan_recycle(). Without the lock.
 */
static inline struct virt_dma_desc *berth_vchan_recycled(struct virt_dma_chan *vc)
{
	struct virt_dma_desc *vd = berth_vchan_spare(vc);

	return vd ? vd : berth_vchan_find_recycled(vc);
}

/** berth_vchan_add() - a new descriptor, as if berth_vchan_recycled() had returned it. Without the lock. */
void berth_vchan_add(struct virt_dma_chan *vc, struct virt_dma_desc *vd);

/**
 * berth_vchan_drain() - for device_free_chan_resources: one that was kept, which is the driver's own then
 *
 * Without the lock. Return: it, in no list, or NULL: there is none left.
 */
struct virt_dma_desc *berth_vchan_drain(struct virt_dma_chan *vc);

/**
 * berth_vchan_prepared() - vchan_tx_prep() of one that was recycled or added
 * @vd: the descriptor; only @tx.phys and @tx.metadata_ops may have been set before
 * @tx_flags: as the client said
 */
static inline struct dma_async_tx_descriptor *berth_vchan_prepared(struct virt_dma_desc *vd,
								   unsigned long tx_flags)
{
	struct dma_async_tx_descriptor *tx = &vd->tx;

	__atomic_store_n(&vd->is_allocated, true, __ATOMIC_RELAXED);
	tx->flags = (uint32_t)tx_flags;
	tx->callback = NULL;
	tx->callback_result = NULL;
	tx->callback_param = NULL;
	tx->desc_metadata_mode = DESC_METADATA_NONE;
	return tx;
}

/** berth_vchan_has_prepared() - whether one is prepared, or kept, and not submitted. With the lock. */
bool berth_vchan_has_prepared(struct virt_dma_chan *vc);

/* Channels that are polled, see berth_dma_set_polled(). */

/** berth_vchan_has_calls() - whether there are callbacks to be called. With the lock. */
static inline bool berth_vchan_has_calls(const struct virt_dma_chan *vc)
{
	return !list_empty(&vc->desc_completed) || vc->cyclic;
}

/**
 * berth_vchan_set_polled() - who calls callbacks: whoever polls, or a tasklet as soon as they are due
 *
 * With the lock; the driver has seen that nothing is under way. Return: 0; -EBUSY: something is prepared.
 */
int berth_vchan_set_polled(struct virt_dma_chan *vc, bool is_polled);

/**
 * berth_vchan_told() - callbacks have become due that no interrupt has found
 *
 * For device_tx_status of a channel that is polled. With the lock.
 */
void berth_vchan_told(struct virt_dma_chan *vc);

/**
 * berth_vchan_call_back() - call those that are due, here
 * @vc: the channel
 * @flags: of spin_lock_irqsave()
 *
 * Any context. With the lock, which it releases.
 */
void berth_vchan_call_back(struct virt_dma_chan *vc, unsigned long flags);

/**
 * berth_vchan_complete_here() - vchan_cookie_complete(), and its callback, here
 * @vd: the one that was under way; all that the driver has to do with it is done
 * @flags: of spin_lock_irqsave()
 *
 * What is mostly to be done for it is done at once. Any context. With the lock, which it releases if it returns
 * true. The driver's device_tx_status has looked at the cookie with the lock before it returns DMA_IN_PROGRESS. False: there is more to it, nothing was done, and the lock is still held.
 */
bool berth_vchan_complete_here(struct virt_dma_desc *vd, unsigned long flags);

/** berth_vchan_polled() - the end of device_poll: the same, if there are any. With the lock, which it releases. */
static inline void berth_vchan_polled(struct virt_dma_chan *vc, unsigned long flags)
{
	if (berth_vchan_has_calls(vc))
		berth_vchan_call_back(vc, flags);
	else
		spin_unlock_irqrestore(&vc->lock, flags);
}

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
