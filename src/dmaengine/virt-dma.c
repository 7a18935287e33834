/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/errno.h>
#include <berth/virt-dma.h>

#include "lib/error.h"

/* Callbacks that one run of the tasklet makes at most; other tasklets get their turn. */
#define MAX_CALLBACKS 64

static dma_cookie_t submit(struct dma_async_tx_descriptor *tx)
{
	struct virt_dma_chan *vc = to_virt_chan(tx->chan);
	struct virt_dma_desc *vd = to_virt_desc(tx);
	dma_cookie_t cookie;
	unsigned long flags;

	spin_lock_irqsave(&vc->lock, flags);
	if (tx->cookie > 0) {
		cookie = berth_dma_fail(tx->chan, -EBUSY, BERTH_REASON_ARGUMENT, NULL,
					(uint64_t)tx->cookie, 0, 0);
	} else {
		cookie = dma_cookie_assign(tx);
		list_move_tail(&vd->node, &vc->desc_submitted);
	}
	spin_unlock_irqrestore(&vc->lock, flags);
	return cookie;
}

static int free_kept(struct dma_async_tx_descriptor *tx)
{
	struct virt_dma_chan *vc = to_virt_chan(tx->chan);
	struct virt_dma_desc *vd = to_virt_desc(tx);
	unsigned long flags;
	bool is_idle;

	spin_lock_irqsave(&vc->lock, flags);
	is_idle = tx->cookie <= 0;
	if (is_idle)
		list_del(&vd->node);
	spin_unlock_irqrestore(&vc->lock, flags);
	if (!is_idle)
		return berth_dma_fail(tx->chan, -EBUSY, BERTH_REASON_ARGUMENT, NULL,
				      (uint64_t)tx->cookie, 0, 0);
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
	return NULL;
}

void vchan_cookie_complete(struct virt_dma_desc *vd)
{
	struct virt_dma_chan *vc = to_virt_chan(vd->tx.chan);

	if (vd->tx_result.result == DMA_TRANS_NOERROR)
		dma_cookie_complete(&vd->tx);
	else
		berth_dma_cookie_fail(&vd->tx);
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

/* It is over: freed, or the client's again. In no list. */
static void end(struct virt_dma_chan *vc, struct virt_dma_desc *vd)
{
	unsigned long flags;

	if (!dmaengine_desc_test_reuse(&vd->tx)) {
		vc->desc_free(vd);
		return;
	}
	spin_lock_irqsave(&vc->lock, flags);
	vd->tx.cookie = 0;
	vd->tx_result = (struct dmaengine_result){ DMA_TRANS_NOERROR, 0 };
	list_add(&vd->node, &vc->desc_allocated);
	spin_unlock_irqrestore(&vc->lock, flags);
}

void vchan_dma_desc_free_list(struct virt_dma_chan *vc, struct list_head *head)
{
	while (!list_empty(head)) {
		struct virt_dma_desc *vd = list_first_entry(head, struct virt_dma_desc, node);

		list_del(&vd->node);
		dma_descriptor_unmap(&vd->tx);
		end(vc, vd);
	}
}

/*
 * A period of a cyclic one first. The others are taken one by one, so that a callback that
 * terminates the channel is the last one.
 */
static void call_back(struct tasklet_struct *task)
{
	struct virt_dma_chan *vc = container_of(task, struct virt_dma_chan, task);
	struct dmaengine_desc_callback cb;
	struct virt_dma_desc *vd;
	unsigned long flags;
	unsigned int nr = 0;

	spin_lock_irqsave(&vc->lock, flags);
	vd = vc->cyclic;
	if (vd) {
		dmaengine_desc_get_callback(&vd->tx, &cb);
		vc->cyclic = NULL;
		spin_unlock_irqrestore(&vc->lock, flags);
		dmaengine_desc_callback_invoke(&cb, &vd->tx_result);
		spin_lock_irqsave(&vc->lock, flags);
	}
	while (!list_empty(&vc->desc_completed) && nr++ < MAX_CALLBACKS) {
		vd = list_first_entry(&vc->desc_completed, struct virt_dma_desc, node);
		list_del(&vd->node);
		spin_unlock_irqrestore(&vc->lock, flags);
		dma_descriptor_unmap(&vd->tx);
		dmaengine_desc_get_callback_invoke(&vd->tx, &vd->tx_result);
		end(vc, vd);
		spin_lock_irqsave(&vc->lock, flags);
	}
	if (!list_empty(&vc->desc_completed))
		tasklet_schedule(&vc->task);
	spin_unlock_irqrestore(&vc->lock, flags);
}

void vchan_synchronize(struct virt_dma_chan *vc)
{
	struct list_head head;
	unsigned long flags;

	INIT_LIST_HEAD(&head);
	tasklet_kill(&vc->task);
	spin_lock_irqsave(&vc->lock, flags);
	list_splice_tail_init(&vc->desc_terminated, &head);
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
