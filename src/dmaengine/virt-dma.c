/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/errno.h>
#include <berth/virt-dma.h>

#include "lib/error.h"
#include "lib/interrupt.h"
#include "lib/trace.h"

/* Callbacks that one run of the tasklet makes at most; other tasklets get their turn. */
#define MAX_CALLBACKS 64

/* Submitted, or done while its callback is to come. With the lock. */
static bool is_busy(const struct virt_dma_desc *vd)
{
	return vd->tx.cookie > 0 || (vd->is_done && (vd->tx.callback || vd->tx.callback_result));
}

static bool is_allocated(const struct virt_dma_desc *vd)
{
	return __atomic_load_n(&vd->is_allocated, __ATOMIC_RELAXED);
}

static void set_allocated(struct virt_dma_desc *vd, bool is_allocated)
{
	__atomic_store_n(&vd->is_allocated, is_allocated, __ATOMIC_RELAXED);
}

/*
 * The client takes it, perhaps in its own callback; or where it is done or terminated, and nobody is to be
 * called. With the lock.
 */
static inline void take_back(struct virt_dma_chan *vc, struct virt_dma_desc *vd)
{
	if (vd->node.next)
		list_del(&vd->node);
	vd->is_done = false;
	set_allocated(vd, false);
	if (__atomic_load_n(&vc->called, __ATOMIC_RELAXED) == vd)
		__atomic_store_n(&vc->called, NULL, __ATOMIC_RELAXED);
}

static int refuse(struct dma_async_tx_descriptor *tx)
{
	return berth_dma_fail(tx->chan, -EBUSY, BERTH_REASON_ARGUMENT, NULL, (uint64_t)tx->cookie,
			      0, 0);
}

static __attribute__((noinline)) void trace_submit(const struct dma_async_tx_descriptor *tx)
{
	berth_trace(.kind = BERTH_TRACE_DMA_SUBMIT, .dev = tx->chan->device->dev,
		    .name = dma_chan_name(tx->chan), .object = tx, .other = (uint32_t)tx->cookie);
}

/* With the lock. */
static inline dma_cookie_t enqueue(struct virt_dma_chan *vc, struct virt_dma_desc *vd)
{
	list_add_tail(&vd->node, &vc->desc_submitted);
	return dma_cookie_assign(&vd->tx);
}

static __attribute__((noinline)) dma_cookie_t submit_slowly(struct dma_async_tx_descriptor *tx)
{
	struct virt_dma_chan *vc = to_virt_chan(tx->chan);
	struct virt_dma_desc *vd = to_virt_desc(tx);
	dma_cookie_t cookie;
	unsigned long flags;

	spin_lock_irqsave(&vc->lock, flags);
	if (is_busy(vd)) {
		cookie = refuse(tx);
	} else {
		take_back(vc, vd);
		cookie = enqueue(vc, vd);
		if (berth_is_traced())
			trace_submit(tx);
	}
	spin_unlock_irqrestore(&vc->lock, flags);
	return cookie;
}

/* Calls nothing: where nobody else is at the channel, and it is allocated, there is nothing to save. */
static dma_cookie_t submit(struct dma_async_tx_descriptor *tx)
{
	struct virt_dma_chan *vc = to_virt_chan(tx->chan);
	struct virt_dma_desc *vd = to_virt_desc(tx);
	dma_cookie_t cookie;
	unsigned long flags;

	if (berth_is_traced() || !spin_trylock_irqsave(&vc->lock, flags))
		return submit_slowly(tx);
	if (!is_allocated(vd)) {
		spin_unlock_irqrestore(&vc->lock, flags);
		return submit_slowly(tx);
	}
	set_allocated(vd, false);
	cookie = enqueue(vc, vd);
	spin_unlock_irqrestore(&vc->lock, flags);
	return cookie;
}

/* The driver's own from now on; it is in no list. With the lock. */
static void forget(struct virt_dma_desc *vd)
{
	list_del(&vd->all);
}

static int free_kept(struct dma_async_tx_descriptor *tx)
{
	struct virt_dma_chan *vc = to_virt_chan(tx->chan);
	struct virt_dma_desc *vd = to_virt_desc(tx);
	unsigned long flags;
	int err = 0;

	spin_lock_irqsave(&vc->lock, flags);
	if (is_busy(vd)) {
		err = refuse(tx);
	} else {
		take_back(vc, vd);
		forget(vd);
	}
	spin_unlock_irqrestore(&vc->lock, flags);
	if (err)
		return err;
	dma_descriptor_unmap(tx);
	vc->desc_free(vd);
	return 0;
}

void berth_vchan_add(struct virt_dma_chan *vc, struct virt_dma_desc *vd)
{
	unsigned long flags;

	dma_async_tx_descriptor_init(&vd->tx, &vc->chan);
	vd->tx.tx_submit = submit;
	vd->tx.desc_free = free_kept;
	vd->tx_result = (struct dmaengine_result){ DMA_TRANS_NOERROR, 0 };
	vd->node.next = NULL;
	vd->is_plain = vc->desc_free == berth_vchan_recycle;
	vd->is_allocated = false;
	vd->is_done = false;
	spin_lock_irqsave(&vc->lock, flags);
	list_add_tail(&vd->all, &vc->desc_all);
	spin_unlock_irqrestore(&vc->lock, flags);
}

struct dma_async_tx_descriptor *vchan_tx_prep(struct virt_dma_chan *vc, struct virt_dma_desc *vd,
					      unsigned long tx_flags)
{
	berth_vchan_add(vc, vd);
	return berth_vchan_prepared(vd, tx_flags);
}

struct virt_dma_desc *vchan_find_desc(struct virt_dma_chan *vc, dma_cookie_t cookie)
{
	struct virt_dma_desc *vd;

	list_for_each_entry(vd, &vc->desc_issued, struct virt_dma_desc, node)
		if (vd->tx.cookie == cookie)
			return vd;
	list_for_each_entry(vd, &vc->desc_submitted, struct virt_dma_desc, node)
		if (vd->tx.cookie == cookie)
			return vd;
	return NULL;
}

/* With the lock. */
static inline void schedule(struct virt_dma_chan *vc)
{
	if (!__atomic_load_n(&vc->chan.is_polled, __ATOMIC_RELAXED))
		tasklet_schedule(&vc->task);
}

/* Its cookie is complete, and its callback is due. With the lock. */
static inline void complete(struct virt_dma_chan *vc, struct virt_dma_desc *vd)
{
	/* Its last period is told with its end. */
	if (vc->cyclic == vd)
		vc->cyclic = NULL;
	vd->is_done = true;
	list_add_tail(&vd->node, &vc->desc_completed);
	schedule(vc);
}

static __attribute__((noinline)) void complete_failed(struct virt_dma_desc *vd)
{
	berth_dma_cookie_fail(&vd->tx);
	complete(to_virt_chan(vd->tx.chan), vd);
}

static __attribute__((noinline)) void complete_and_wake(struct virt_dma_desc *vd)
{
	berth_dma_cookie_wake(&vd->tx);
	complete(to_virt_chan(vd->tx.chan), vd);
}

void vchan_cookie_complete(struct virt_dma_desc *vd)
{
	struct dma_chan *chan = vd->tx.chan;

	if (vd->tx_result.result != DMA_TRANS_NOERROR)
		complete_failed(vd);
	else if (berth_dma_cookie_set(&vd->tx))
		complete_and_wake(vd);
	else
		complete(to_virt_chan(chan), vd);
}

void vchan_cyclic_callback(struct virt_dma_desc *vd)
{
	struct virt_dma_chan *vc = to_virt_chan(vd->tx.chan);

	vc->cyclic = vd;
	schedule(vc);
}

void vchan_terminate_vdesc(struct virt_dma_desc *vd)
{
	struct virt_dma_chan *vc = to_virt_chan(vd->tx.chan);

	list_add_tail(&vd->node, &vc->desc_terminated);
	if (vc->cyclic == vd)
		vc->cyclic = NULL;
}

void berth_vchan_terminate_all(struct virt_dma_chan *vc)
{
	list_splice_tail_init(&vc->desc_submitted, &vc->desc_terminated);
	list_splice_tail_init(&vc->desc_issued, &vc->desc_terminated);
	list_splice_tail_init(&vc->desc_completed, &vc->desc_terminated);
	vc->cyclic = NULL;
}

bool berth_vchan_has_prepared(struct virt_dma_chan *vc)
{
	struct virt_dma_desc *vd;

	list_for_each_entry(vd, &vc->desc_all, struct virt_dma_desc, all)
		if (is_allocated(vd))
			return true;
	return false;
}

void vchan_get_all_descriptors(struct virt_dma_chan *vc, struct list_head *head)
{
	struct virt_dma_desc *vd;

	list_for_each_entry(vd, &vc->desc_all, struct virt_dma_desc, all) {
		if (!is_allocated(vd))
			continue;
		set_allocated(vd, false);
		list_add_tail(&vd->node, head);
	}
	list_splice_tail_init(&vc->desc_submitted, head);
	list_splice_tail_init(&vc->desc_issued, head);
	list_splice_tail_init(&vc->desc_completed, head);
	list_splice_tail_init(&vc->desc_terminated, head);
	vc->cyclic = NULL;
}

/* As if it had just been prepared; what it held mapped is the caller's to let go. With the lock. */
static struct dmaengine_unmap_data *make_fresh(struct virt_dma_desc *vd)
{
	struct dmaengine_unmap_data *unmap = vd->tx.unmap;

	vd->tx.unmap = NULL;
	vd->tx.cookie = 0;
	vd->tx_result = (struct dmaengine_result){ DMA_TRANS_NOERROR, 0 };
	vd->is_done = false;
	return unmap;
}

/* The lock is held for each one: a client may take one that he keeps out of @head meanwhile. */
void vchan_dma_desc_free_list(struct virt_dma_chan *vc, struct list_head *head)
{
	struct dmaengine_unmap_data *unmap;
	struct virt_dma_desc *vd;
	unsigned long flags;
	bool is_kept;

	for (;;) {
		spin_lock_irqsave(&vc->lock, flags);
		vd = list_first_entry_or_null(head, struct virt_dma_desc, node);
		if (!vd) {
			spin_unlock_irqrestore(&vc->lock, flags);
			return;
		}
		list_del(&vd->node);
		unmap = make_fresh(vd);
		is_kept = dmaengine_desc_test_reuse(&vd->tx);
		if (is_kept)
			set_allocated(vd, true);
		else
			forget(vd);
		spin_unlock_irqrestore(&vc->lock, flags);
		dmaengine_unmap_put(unmap);
		if (!is_kept)
			vc->desc_free(vd);
	}
}

static void set_called(struct virt_dma_chan *vc, struct virt_dma_desc *vd)
{
	__atomic_store_n(&vc->called, vd, __ATOMIC_RELAXED);
}

/* It is recycled, and that is all. */
static inline bool is_plain(const struct virt_dma_desc *vd)
{
	return vd->is_plain && !dmaengine_desc_test_reuse(&vd->tx);
}

/*
 * The one whose callback was called goes, unless its client has submitted or freed it there. Returned if
 * the driver is to free it. With the lock.
 */
static struct virt_dma_desc *put_called(struct virt_dma_chan *vc)
{
	struct virt_dma_desc *vd = vc->called;

	if (!vd)
		return NULL;
	set_called(vc, NULL);
	if (dmaengine_desc_test_reuse(&vd->tx)) {
		set_allocated(vd, true);
	} else if (is_plain(vd)) {
		list_add(&vd->node, &vc->desc_recycled);
	} else {
		forget(vd);
		return vd;
	}
	return NULL;
}

/* The same without the lock, if there is nothing more to it: nobody else but the next prepare call knows it. */
static inline bool put_spare(struct virt_dma_chan *vc, bool is_known_as_plain)
{
	struct virt_dma_desc *vd = __atomic_load_n(&vc->called, __ATOMIC_RELAXED);

	/* Its client may have said in the callback that he keeps it. */
	if (!vd || dmaengine_desc_test_reuse(&vd->tx) || !(is_known_as_plain || is_plain(vd)))
		return false;
	set_called(vc, NULL);
	if (__atomic_load_n(&vc->ready, __ATOMIC_RELAXED)) {
		berth_vchan_put_spare(vc, vd);
		return true;
	}
	berth_smp_order();
	__atomic_store_n(&vc->ready, vd, BERTH_SMP_RELEASE);
	return true;
}

/* struct call - a callback to be called, apart from its descriptor */
struct call {
	struct dmaengine_desc_callback cb;
	struct dmaengine_result result;
	struct dmaengine_unmap_data *unmap;
};

static inline void call(const struct call *call)
{
	if (call->unmap)
		dmaengine_unmap_put(call->unmap);
	dmaengine_desc_callback_invoke(&call->cb, &call->result);
}

/* Of a period, or of a descriptor. With the lock. */
static inline struct call take_period(struct virt_dma_chan *vc)
{
	const struct virt_dma_desc *vd = vc->cyclic;
	struct call call = { .result = vd->tx_result };

	dmaengine_desc_get_callback(&vd->tx, &call.cb);
	vc->cyclic = NULL;
	return call;
}

static inline struct call take_completed(struct virt_dma_chan *vc, struct virt_dma_desc *vd)
{
	struct call call = { .result = vd->tx_result };

	dmaengine_desc_get_callback(&vd->tx, &call.cb);
	list_del(&vd->node);
	call.unmap = make_fresh(vd);
	set_called(vc, vd);
	return call;
}

/*
 * One of them. What has ended comes in front of a period: that is of one which has started afterwards.
 * False: there is no other, or @is_enough.
 */
static inline bool call_next(struct virt_dma_chan *vc, bool is_enough)
{
	struct virt_dma_desc *vd, *over;
	struct call next;
	unsigned long flags;
	bool is_more;

	spin_lock_irqsave(&vc->lock, flags);
	over = put_called(vc);
	is_more = berth_vchan_has_calls(vc);
	if (!is_more || is_enough) {
		if (is_more)
			tasklet_schedule(&vc->task);
		spin_unlock_irqrestore(&vc->lock, flags);
		if (over)
			vc->desc_free(over);
		return false;
	}
	vd = list_first_entry_or_null(&vc->desc_completed, struct virt_dma_desc, node);
	next = vd ? take_completed(vc, vd) : take_period(vc);
	is_more = berth_vchan_has_calls(vc);
	spin_unlock_irqrestore(&vc->lock, flags);
	if (over)
		vc->desc_free(over);
	call(&next);
	/* Of what is completed from here on the tasklet is told again. */
	return !put_spare(vc, false) || is_more;
}

static __attribute__((noinline)) void call_result(const struct virt_dma_desc *vd)
{
	const struct dmaengine_result good = { DMA_TRANS_NOERROR, 0 };

	vd->tx.callback_result(vd->tx.callback_param, &good);
}

/* It went well, and is done with after its callback. */
static inline bool is_simple(const struct virt_dma_desc *vd)
{
	return !vd->tx.unmap && is_plain(vd) && vd->tx_result.result == DMA_TRANS_NOERROR &&
	       !vd->tx_result.residue;
}

/*
 * What is mostly there: one, which went well and is done with after its callback. NULL: not so. With the
 * lock.
 */
static inline struct virt_dma_desc *take_only(struct virt_dma_chan *vc)
{
	struct virt_dma_desc *vd =
		list_first_entry(&vc->desc_completed, struct virt_dma_desc, node);

	if (vd->node.next != &vc->desc_completed || list_empty(&vc->desc_completed) || vc->cyclic ||
	    !is_simple(vd))
		return NULL;
	INIT_LIST_HEAD(&vc->desc_completed);
	vd->node.next = NULL;
	vd->is_done = false;
	set_called(vc, vd);
	return vd;
}

/* Of take_only()'s. False: there may be something left to do. */
static inline bool call_only(struct virt_dma_chan *vc, const struct virt_dma_desc *vd)
{
	if (!vd)
		return false;
	if (vd->tx.callback_result)
		call_result(vd);
	else if (vd->tx.callback)
		vd->tx.callback(vd->tx.callback_param);
	/* Of what is completed from here on the tasklet is told again. */
	return put_spare(vc, true);
}

/* One by one, so that a callback that terminates the channel is the last one. */
static __attribute__((noinline)) void call_all(struct virt_dma_chan *vc)
{
	unsigned int nr = 0;

	while (call_next(vc, nr == MAX_CALLBACKS))
		nr++;
}

static void call_back(struct tasklet_struct *task)
{
	struct virt_dma_chan *vc = container_of(task, struct virt_dma_chan, task);
	struct virt_dma_desc *vd;
	unsigned long flags;

	spin_lock_irqsave(&vc->lock, flags);
	vd = take_only(vc);
	spin_unlock_irqrestore(&vc->lock, flags);
	if (!call_only(vc, vd))
		call_all(vc);
}

int berth_vchan_set_polled(struct virt_dma_chan *vc, bool is_polled)
{
	if (berth_vchan_has_prepared(vc) || !list_empty(&vc->desc_submitted) ||
	    !list_empty(&vc->desc_issued))
		return -EBUSY;
	__atomic_store_n(&vc->chan.is_polled, is_polled, __ATOMIC_RELAXED);
	berth_vchan_told(vc);
	return 0;
}

void berth_vchan_told(struct virt_dma_chan *vc)
{
	if (berth_vchan_has_calls(vc))
		tasklet_schedule(&vc->task);
}

/* As if the tasklet ran here. */
void berth_vchan_call_back(struct virt_dma_chan *vc, unsigned long flags)
{
	struct virt_dma_desc *vd;

	if (!berth_tasklet_begin(&vc->task)) {
		tasklet_schedule(&vc->task);
		spin_unlock_irqrestore(&vc->lock, flags);
		return;
	}
	vd = take_only(vc);
	spin_unlock(&vc->lock);
	if (!call_only(vc, vd))
		call_all(vc);
	berth_tasklet_end(&vc->task);
	berth_port_irq_restore(flags);
}

/* berth_dma_cookie_set(), if who sleeps has counted himself before he looked at the cookie with the lock. */
static inline bool set_cookie(struct dma_async_tx_descriptor *tx)
{
	struct dma_chan *chan = tx->chan;

	berth_smp_order();
	__atomic_store_n(&chan->completed_cookie, tx->cookie, BERTH_SMP_RELEASE);
	tx->cookie = 0;
	return (__atomic_load_n(&chan->nr_waiting, __ATOMIC_RELAXED) |
		__atomic_load_n(&berth_trace_is_on, __ATOMIC_RELAXED)) != 0;
}

bool berth_vchan_complete_here(struct virt_dma_desc *vd, unsigned long flags)
{
	struct virt_dma_chan *vc = to_virt_chan(vd->tx.chan);

	if (!is_simple(vd) || berth_vchan_has_calls(vc) || !berth_tasklet_begin(&vc->task))
		return false;
	if (set_cookie(&vd->tx))
		berth_dma_cookie_wake(&vd->tx);
	set_called(vc, vd);
	spin_unlock(&vc->lock);
	if (!call_only(vc, vd))
		call_all(vc);
	berth_tasklet_end(&vc->task);
	berth_port_irq_restore(flags);
	return true;
}

void vchan_synchronize(struct virt_dma_chan *vc)
{
	struct list_head head;
	unsigned long flags;

	INIT_LIST_HEAD(&head);
	tasklet_kill(&vc->task);
	spin_lock_irqsave(&vc->lock, flags);
	list_splice_tail_init(&vc->desc_terminated, &head);
	/* What was not terminated goes on. */
	if (berth_vchan_has_calls(vc))
		tasklet_schedule(&vc->task);
	spin_unlock_irqrestore(&vc->lock, flags);
	vchan_dma_desc_free_list(vc, &head);
}

void vchan_free_chan_resources(struct virt_dma_chan *vc)
{
	struct virt_dma_desc *vd;
	struct list_head head;
	unsigned long flags;

	INIT_LIST_HEAD(&head);
	tasklet_kill(&vc->task);
	spin_lock_irqsave(&vc->lock, flags);
	vchan_get_all_descriptors(vc, &head);
	list_for_each_entry(vd, &head, struct virt_dma_desc, node)
		dmaengine_desc_clear_reuse(&vd->tx);
	spin_unlock_irqrestore(&vc->lock, flags);
	vchan_dma_desc_free_list(vc, &head);
}

void berth_vchan_recycle(struct virt_dma_desc *vd)
{
	struct virt_dma_chan *vc = to_virt_chan(vd->tx.chan);
	unsigned long flags;

	spin_lock_irqsave(&vc->lock, flags);
	/* One that was never handed out was not forgotten. */
	if (!vd->all.next)
		list_add_tail(&vd->all, &vc->desc_all);
	set_allocated(vd, false);
	list_add(&vd->node, &vc->desc_recycled);
	spin_unlock_irqrestore(&vc->lock, flags);
}

static struct virt_dma_desc *take_recycled(struct virt_dma_chan *vc)
{
	struct virt_dma_desc *vd =
		list_first_entry_or_null(&vc->desc_recycled, struct virt_dma_desc, node);

	if (vd)
		list_del(&vd->node);
	return vd;
}

struct virt_dma_desc *berth_vchan_find_recycled(struct virt_dma_chan *vc)
{
	struct virt_dma_desc *vd;
	unsigned long flags;

	spin_lock_irqsave(&vc->lock, flags);
	vd = take_recycled(vc);
	spin_unlock_irqrestore(&vc->lock, flags);
	return vd;
}

struct virt_dma_desc *berth_vchan_drain(struct virt_dma_chan *vc)
{
	struct virt_dma_desc *vd = berth_vchan_spare(vc);
	unsigned long flags;

	spin_lock_irqsave(&vc->lock, flags);
	if (!vd)
		vd = take_recycled(vc);
	if (vd)
		forget(vd);
	spin_unlock_irqrestore(&vc->lock, flags);
	return vd;
}

void vchan_init(struct virt_dma_chan *vc, struct dma_device *dmadev)
{
	spin_lock_init(&vc->lock);
	INIT_LIST_HEAD(&vc->desc_all);
	INIT_LIST_HEAD(&vc->desc_submitted);
	INIT_LIST_HEAD(&vc->desc_issued);
	INIT_LIST_HEAD(&vc->desc_completed);
	INIT_LIST_HEAD(&vc->desc_terminated);
	INIT_LIST_HEAD(&vc->desc_recycled);
	tasklet_setup(&vc->task, call_back);
	dma_cookie_init(&vc->chan);
	vc->chan.device = dmadev;
	list_add_tail(&vc->chan.device_node, &dmadev->channels);
}

void vchan_cleanup(struct virt_dma_chan *vc)
{
	tasklet_kill(&vc->task);
	list_del(&vc->chan.device_node);
}
