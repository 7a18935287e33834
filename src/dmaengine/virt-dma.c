/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/errno.h>
#include <berth/virt-dma.h>

#include "lib/error.h"
#include "lib/trace.h"

/* Callbacks that one run of the tasklet makes at most; other tasklets get their turn. */
#define MAX_CALLBACKS 64

/* Submitted, or done while its callback is to come. With the lock. */
static bool is_busy(const struct virt_dma_desc *vd)
{
	return vd->tx.cookie > 0 || (vd->is_done && (vd->tx.callback || vd->tx.callback_result));
}

/* The client takes it, perhaps in its own callback. With the lock. */
static void take_back(struct virt_dma_chan *vc, struct virt_dma_desc *vd)
{
	vd->is_done = false;
	if (vc->called == vd)
		vc->called = NULL;
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

static dma_cookie_t submit(struct dma_async_tx_descriptor *tx)
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
		cookie = dma_cookie_assign(tx);
		list_move_tail(&vd->node, &vc->desc_submitted);
		if (berth_is_traced())
			trace_submit(tx);
	}
	spin_unlock_irqrestore(&vc->lock, flags);
	return cookie;
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
		list_del(&vd->node);
	}
	spin_unlock_irqrestore(&vc->lock, flags);
	if (err)
		return err;
	dma_descriptor_unmap(tx);
	vc->desc_free(vd);
	return 0;
}

struct dma_async_tx_descriptor *vchan_tx_prep(struct virt_dma_chan *vc, struct virt_dma_desc *vd,
					      unsigned long tx_flags)
{
	unsigned long flags;

	dma_async_tx_descriptor_init(&vd->tx, &vc->chan);
	vd->tx.flags = (uint32_t)tx_flags;
	vd->tx.tx_submit = submit;
	vd->tx.desc_free = free_kept;
	vd->tx_result = (struct dmaengine_result){ DMA_TRANS_NOERROR, 0 };
	vd->is_done = false;
	spin_lock_irqsave(&vc->lock, flags);
	list_add_tail(&vd->node, &vc->desc_allocated);
	spin_unlock_irqrestore(&vc->lock, flags);
	return &vd->tx;
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

void vchan_cookie_complete(struct virt_dma_desc *vd)
{
	struct virt_dma_chan *vc = to_virt_chan(vd->tx.chan);

	if (vd->tx_result.result == DMA_TRANS_NOERROR)
		dma_cookie_complete(&vd->tx);
	else
		berth_dma_cookie_fail(&vd->tx);
	/* Its last period is told with its end. */
	if (vc->cyclic == vd)
		vc->cyclic = NULL;
	vd->is_done = true;
	list_add_tail(&vd->node, &vc->desc_completed);
	tasklet_schedule(&vc->task);
}

void vchan_cyclic_callback(struct virt_dma_desc *vd)
{
	struct virt_dma_chan *vc = to_virt_chan(vd->tx.chan);

	vc->cyclic = vd;
	tasklet_schedule(&vc->task);
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

void vchan_get_all_descriptors(struct virt_dma_chan *vc, struct list_head *head)
{
	list_splice_tail_init(&vc->desc_allocated, head);
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
			list_add(&vd->node, &vc->desc_allocated);
		spin_unlock_irqrestore(&vc->lock, flags);
		dmaengine_unmap_put(unmap);
		if (!is_kept)
			vc->desc_free(vd);
	}
}

/* struct call - a callback to be called, apart from its descriptor */
struct call {
	struct dmaengine_desc_callback cb;
	struct dmaengine_result result;
	struct dmaengine_unmap_data *unmap;
};

static bool has_calls(const struct virt_dma_chan *vc)
{
	return !list_empty(&vc->desc_completed) || vc->cyclic;
}

/*
 * What has ended comes in front of a period: that is of one which has started afterwards. With the lock.
 */
static bool next_call(struct virt_dma_chan *vc, struct call *call)
{
	struct virt_dma_desc *vd;

	if (!has_calls(vc))
		return false;
	vd = list_first_entry_or_null(&vc->desc_completed, struct virt_dma_desc, node);
	if (!vd) {
		dmaengine_desc_get_callback(&vc->cyclic->tx, &call->cb);
		call->result = vc->cyclic->tx_result;
		call->unmap = NULL;
		vc->cyclic = NULL;
		return true;
	}
	dmaengine_desc_get_callback(&vd->tx, &call->cb);
	call->result = vd->tx_result;
	list_del_init(&vd->node);
	call->unmap = make_fresh(vd);
	vc->called = vd;
	return true;
}

/*
 * The one whose callback was called, if it is to be freed; unless its client has submitted or freed it
 * there. With the lock.
 */
static struct virt_dma_desc *take_called(struct virt_dma_chan *vc)
{
	struct virt_dma_desc *vd = vc->called;

	vc->called = NULL;
	if (!vd || !dmaengine_desc_test_reuse(&vd->tx))
		return vd;
	list_add(&vd->node, &vc->desc_allocated);
	return NULL;
}

/* One by one, so that a callback that terminates the channel is the last one. */
static void call_back(struct tasklet_struct *task)
{
	struct virt_dma_chan *vc = container_of(task, struct virt_dma_chan, task);
	struct virt_dma_desc *over;
	struct call call;
	unsigned long flags;
	bool is_call;

	for (unsigned int nr = 0;; nr++) {
		spin_lock_irqsave(&vc->lock, flags);
		over = take_called(vc);
		is_call = nr < MAX_CALLBACKS && next_call(vc, &call);
		if (!is_call && has_calls(vc))
			tasklet_schedule(task);
		spin_unlock_irqrestore(&vc->lock, flags);
		if (over)
			vc->desc_free(over);
		if (!is_call)
			return;
		dmaengine_unmap_put(call.unmap);
		dmaengine_desc_callback_invoke(&call.cb, &call.result);
	}
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
	if (has_calls(vc))
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
	list_add(&vd->node, &vc->desc_recycled);
	spin_unlock_irqrestore(&vc->lock, flags);
}

struct virt_dma_desc *berth_vchan_recycled(struct virt_dma_chan *vc)
{
	struct virt_dma_desc *vd;
	unsigned long flags;

	spin_lock_irqsave(&vc->lock, flags);
	vd = list_first_entry_or_null(&vc->desc_recycled, struct virt_dma_desc, node);
	if (vd)
		list_del(&vd->node);
	spin_unlock_irqrestore(&vc->lock, flags);
	return vd;
}

void vchan_init(struct virt_dma_chan *vc, struct dma_device *dmadev)
{
	spin_lock_init(&vc->lock);
	INIT_LIST_HEAD(&vc->desc_allocated);
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
