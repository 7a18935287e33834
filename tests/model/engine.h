/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A DMA controller that does nothing by itself: the test says when a transfer starts to be under way
 * and when it ends. It counts what the core asks of it. Of the tree tree_engines.
 */
#ifndef TESTS_MODEL_ENGINE_H
#define TESTS_MODEL_ENGINE_H

#include "machine.h"

#include <berth/platform_device.h>
#include <berth/slab.h>
#include <berth/virt-dma.h>

#define ENGINE_CHANNELS 4

struct engine_desc {
	struct virt_dma_desc vd;
	size_t len;
	dma_addr_t dst, src;
};

struct engine_chan {
	struct virt_dma_chan vc;
	struct engine_desc *running;
	struct dma_slave_config config;
	unsigned int nr_alloc, nr_free, nr_freed_descs, nr_terminated;
	bool is_paused;
	int alloc_result;
};

struct engine {
	struct dma_device ddev;
	struct engine_chan channels[ENGINE_CHANNELS];
};

/* Those that are bound, in the order of their probes; what their release has freed is NULL. */
static struct engine *engines[2];
static unsigned int nr_engines_released;
/* What the next probe claims on top, and leaves out. */
static void (*engine_change)(struct dma_device *ddev);

static inline struct engine_chan *engine_chan(struct dma_chan *chan)
{
	return container_of(chan, struct engine_chan, vc.chan);
}

static inline void engine_desc_free(struct virt_dma_desc *vd)
{
	__atomic_fetch_add(&engine_chan(vd->tx.chan)->nr_freed_descs, 1, __ATOMIC_RELAXED);
	kfree(container_of(vd, struct engine_desc, vd));
}

static inline struct dma_async_tx_descriptor *
engine_prep(struct dma_chan *chan, dma_addr_t dst, dma_addr_t src, size_t len, unsigned long flags)
{
	struct engine_desc *desc = kzalloc(sizeof(*desc), GFP_NOWAIT);

	if (!desc)
		return NULL;
	desc->dst = dst;
	desc->src = src;
	desc->len = len;
	return vchan_tx_prep(to_virt_chan(chan), &desc->vd, flags);
}

static inline struct dma_async_tx_descriptor *engine_prep_memset(struct dma_chan *chan,
								 dma_addr_t dst, int value,
								 size_t len, unsigned long flags)
{
	(void)value;
	return engine_prep(chan, dst, 0, len, flags);
}

static inline struct dma_async_tx_descriptor *engine_prep_interrupt(struct dma_chan *chan,
								    unsigned long flags)
{
	return engine_prep(chan, 0, 0, 0, flags);
}

static inline struct dma_async_tx_descriptor *
engine_prep_sg(struct dma_chan *chan, struct scatterlist *sgl, unsigned int sg_len,
	       enum dma_transfer_direction dir, unsigned long flags)
{
	size_t len = 0;

	(void)dir;
	for (unsigned int i = 0; i < sg_len; i++, sgl = sg_next(sgl))
		len += sg_dma_len(sgl);
	return engine_prep(chan, 0, 0, len, flags);
}

static inline struct dma_async_tx_descriptor *
engine_prep_cyclic(struct dma_chan *chan, dma_addr_t buf, size_t buf_len, size_t period_len,
		   enum dma_transfer_direction dir, unsigned long flags)
{
	(void)period_len;
	(void)dir;
	return engine_prep(chan, 0, buf, buf_len, flags);
}

static inline struct dma_async_tx_descriptor *
engine_prep_interleaved(struct dma_chan *chan, const struct dma_interleaved_template *xt,
			unsigned long flags)
{
	size_t len = 0;

	for (size_t i = 0; i < xt->frame_size; i++)
		len += xt->sgl[i].size;
	return engine_prep(chan, xt->dst_start, xt->src_start, len * xt->numf, flags);
}

static inline int engine_alloc(struct dma_chan *chan)
{
	struct engine_chan *ec = engine_chan(chan);

	if (ec->alloc_result)
		return ec->alloc_result;
	ec->nr_alloc++;
	return 1;
}

static inline void engine_free(struct dma_chan *chan)
{
	engine_chan(chan)->nr_free++;
	vchan_free_chan_resources(to_virt_chan(chan));
}

/* With the lock. */
static inline void engine_start_next(struct engine_chan *ec)
{
	struct virt_dma_desc *vd = vchan_next_desc(&ec->vc);

	if (!vd || ec->running)
		return;
	list_del(&vd->node);
	ec->running = container_of(vd, struct engine_desc, vd);
}

static inline void engine_issue(struct dma_chan *chan)
{
	struct engine_chan *ec = engine_chan(chan);
	unsigned long flags;

	spin_lock_irqsave(&ec->vc.lock, flags);
	if (vchan_issue_pending(&ec->vc))
		engine_start_next(ec);
	spin_unlock_irqrestore(&ec->vc.lock, flags);
}

static inline enum dma_status engine_status(struct dma_chan *chan, dma_cookie_t cookie,
					    struct dma_tx_state *state)
{
	struct engine_chan *ec = engine_chan(chan);
	enum dma_status status = dma_cookie_status(chan, cookie, state);
	struct virt_dma_desc *vd;
	unsigned long flags;

	if (status != DMA_IN_PROGRESS || !state)
		return status;
	spin_lock_irqsave(&ec->vc.lock, flags);
	vd = vchan_find_desc(&ec->vc, cookie);
	if (vd)
		dma_set_residue(state, (uint32_t)container_of(vd, struct engine_desc, vd)->len);
	else if (ec->running && ec->running->vd.tx.cookie == cookie)
		dma_set_residue(state, (uint32_t)(ec->running->len / 2));
	spin_unlock_irqrestore(&ec->vc.lock, flags);
	return ec->is_paused ? DMA_PAUSED : status;
}

static inline int engine_terminate(struct dma_chan *chan)
{
	struct engine_chan *ec = engine_chan(chan);
	unsigned long flags;

	spin_lock_irqsave(&ec->vc.lock, flags);
	ec->nr_terminated++;
	if (ec->running)
		vchan_terminate_vdesc(&ec->running->vd);
	ec->running = NULL;
	berth_vchan_terminate_all(&ec->vc);
	spin_unlock_irqrestore(&ec->vc.lock, flags);
	return 0;
}

static inline void engine_synchronize(struct dma_chan *chan)
{
	vchan_synchronize(to_virt_chan(chan));
}

static inline int engine_config(struct dma_chan *chan, struct dma_slave_config *config)
{
	engine_chan(chan)->config = *config;
	return 0;
}

static inline int engine_pause(struct dma_chan *chan)
{
	engine_chan(chan)->is_paused = true;
	return 0;
}

static inline int engine_resume(struct dma_chan *chan)
{
	engine_chan(chan)->is_paused = false;
	return 0;
}

/* What is under way ends so; false if nothing is. The next one starts. */
static inline bool engine_end(struct dma_chan *chan, enum dmaengine_tx_result result,
			      uint32_t residue)
{
	struct engine_chan *ec = engine_chan(chan);
	struct engine_desc *desc;
	unsigned long flags;

	spin_lock_irqsave(&ec->vc.lock, flags);
	desc = ec->running;
	ec->running = NULL;
	if (desc) {
		desc->vd.tx_result = (struct dmaengine_result){ result, residue };
		vchan_cookie_complete(&desc->vd);
		engine_start_next(ec);
	}
	spin_unlock_irqrestore(&ec->vc.lock, flags);
	return desc != NULL;
}

static inline void engine_end_period(struct dma_chan *chan)
{
	struct engine_chan *ec = engine_chan(chan);
	unsigned long flags;

	spin_lock_irqsave(&ec->vc.lock, flags);
	vchan_cyclic_callback(&ec->running->vd);
	spin_unlock_irqrestore(&ec->vc.lock, flags);
}

static inline void engine_release(struct dma_device *ddev)
{
	nr_engines_released++;
	kfree(container_of(ddev, struct engine, ddev));
}

static inline void engine_fill(struct engine *engine, struct device *dev)
{
	struct dma_device *ddev = &engine->ddev;

	ddev->dev = dev;
	INIT_LIST_HEAD(&ddev->channels);
	for (unsigned int i = 0; i < ENGINE_CHANNELS; i++) {
		engine->channels[i].vc.desc_free = engine_desc_free;
		vchan_init(&engine->channels[i].vc, ddev);
	}
	dma_cap_set(DMA_MEMCPY, ddev->cap_mask);
	dma_cap_set(DMA_MEMSET, ddev->cap_mask);
	dma_cap_set(DMA_SLAVE, ddev->cap_mask);
	dma_cap_set(DMA_CYCLIC, ddev->cap_mask);
	dma_cap_set(DMA_INTERRUPT, ddev->cap_mask);
	dma_cap_set(DMA_INTERLEAVE, ddev->cap_mask);
	ddev->copy_align = DMAENGINE_ALIGN_4_BYTES;
	ddev->directions = 1u << DMA_MEM_TO_DEV | 1u << DMA_MEM_TO_MEM;
	ddev->src_addr_widths = ddev->dst_addr_widths = 1u << 1 | 1u << 4;
	ddev->max_burst = 16;
	ddev->descriptor_reuse = true;
	ddev->residue_granularity = DMA_RESIDUE_GRANULARITY_SEGMENT;
	ddev->device_alloc_chan_resources = engine_alloc;
	ddev->device_free_chan_resources = engine_free;
	ddev->device_prep_dma_memcpy = engine_prep;
	ddev->device_prep_dma_memset = engine_prep_memset;
	ddev->device_prep_dma_interrupt = engine_prep_interrupt;
	ddev->device_prep_slave_sg = engine_prep_sg;
	ddev->device_prep_dma_cyclic = engine_prep_cyclic;
	ddev->device_prep_interleaved_dma = engine_prep_interleaved;
	ddev->device_config = engine_config;
	ddev->device_pause = engine_pause;
	ddev->device_resume = engine_resume;
	ddev->device_terminate_all = engine_terminate;
	ddev->device_synchronize = engine_synchronize;
	ddev->device_tx_status = engine_status;
	ddev->device_issue_pending = engine_issue;
	ddev->device_release = engine_release;
}

/* Two cells: the channel is their difference. */
static inline struct dma_chan *engine_xlate(struct of_phandle_args *spec, struct of_dma *ofdma)
{
	struct engine *engine = ofdma->of_dma_data;

	return dma_get_slave_channel(
		&engine->channels[(spec->args[0] - spec->args[1]) % ENGINE_CHANNELS].vc.chan);
}

static inline int engine_probe(struct platform_device *pdev)
{
	struct engine *engine = kzalloc(sizeof(*engine), GFP_KERNEL);
	uint32_t cells;
	int err;

	if (!engine)
		return -ENOMEM;
	engine_fill(engine, &pdev->dev);
	if (engine_change)
		engine_change(&engine->ddev);
	err = dma_async_device_register(&engine->ddev);
	if (err) {
		kfree(engine);
		return err;
	}
	if (!of_property_read_u32(pdev->dev.of_node, "#dma-cells", &cells))
		err = of_dma_controller_register(
			pdev->dev.of_node, cells == 1 ? of_dma_xlate_by_chan_id : engine_xlate,
			cells == 1 ? (void *)&engine->ddev : engine);
	if (err) {
		dma_async_device_unregister(&engine->ddev);
		return err;
	}
	engines[engines[0] ? 1 : 0] = engine;
	platform_set_drvdata(pdev, engine);
	return 0;
}

static inline int engine_remove(struct platform_device *pdev)
{
	struct engine *engine = platform_get_drvdata(pdev);

	of_dma_controller_free(pdev->dev.of_node);
	if (!engine)
		return 0; /* the test has unregistered it */
	engines[engines[0] == engine ? 0 : 1] = NULL;
	dma_async_device_unregister(&engine->ddev);
	return 0;
}

static const struct of_device_id engine_match[] = {
	{ .compatible = "test,engine" },
	{ .compatible = "" },
};

static const struct platform_driver engine_driver = {
	.probe = engine_probe,
	.remove = engine_remove,
	.driver = { .name = "test-engine", .of_match_table = engine_match },
};

#endif
