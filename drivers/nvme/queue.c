/* SPDX-License-Identifier: BSD-2-Clause */
/* Pairs of queues, and what completions say. */
#include "nvme.h"

void berth_nvme_reg_write(struct nvme *nvme, uint32_t value, unsigned int reg)
{
	nvme->stats.register_writes++;
	writel(value, nvme->regs + reg);
}

int berth_nvme_alloc_queue(struct nvme *nvme, struct queue *queue, unsigned int id,
			   unsigned int depth)
{
	*queue = (struct queue){ .id = id, .depth = depth, .phase = 1 };
	queue->sqes = dma_alloc_coherent(nvme->dev, depth * sizeof(*queue->sqes), &queue->sq_dma,
					 GFP_KERNEL);
	queue->cqes = dma_alloc_coherent(nvme->dev, depth * sizeof(*queue->cqes), &queue->cq_dma,
					 GFP_KERNEL);
	if (queue->sqes && queue->cqes)
		return 0;
	berth_nvme_free_queue(nvme, queue);
	return -ENOMEM;
}

void berth_nvme_free_queue(struct nvme *nvme, struct queue *queue)
{
	if (queue->cqes)
		dma_free_coherent(nvme->dev, queue->depth * sizeof(*queue->cqes),
				  (void *)(uintptr_t)queue->cqes, queue->cq_dma);
	if (queue->sqes)
		dma_free_coherent(nvme->dev, queue->depth * sizeof(*queue->sqes), queue->sqes,
				  queue->sq_dma);
	queue->cqes = NULL;
	queue->sqes = NULL;
}

static unsigned int doorbell(const struct nvme *nvme, const struct queue *queue, bool is_cq)
{
	return REG_DOORBELLS + (2 * queue->id + is_cq) * nvme->doorbell_stride;
}

void berth_nvme_push(struct nvme *nvme, struct queue *queue, const struct nvme_command *command)
{
	queue->sqes[queue->tail] = *command;
	queue->tail = (queue->tail + 1) % queue->depth;
	berth_nvme_reg_write(nvme, queue->tail, doorbell(nvme, queue, false));
}

bool berth_nvme_pop(struct queue *queue, struct nvme_completion *completion)
{
	volatile struct nvme_completion *cqe = &queue->cqes[queue->head];
	uint16_t status = cqe->status;

	if ((status & 1) != queue->phase)
		return false;
	dma_rmb();
	*completion = (struct nvme_completion){
		.result = cqe->result,
		.sq_head = cqe->sq_head,
		.sq_id = cqe->sq_id,
		.cid = cqe->cid,
		.status = status,
	};
	if (++queue->head == queue->depth) {
		queue->head = 0;
		queue->phase ^= 1;
	}
	return true;
}

void berth_nvme_popped(struct nvme *nvme, struct queue *queue)
{
	berth_nvme_reg_write(nvme, queue->head, doorbell(nvme, queue, true));
}

int berth_nvme_errno(unsigned int status)
{
	static const struct {
		unsigned int status;
		int error;
	} known[] = {
		{ 0x001, -EOPNOTSUPP }, /* invalid command opcode */
		{ 0x002, -EOPNOTSUPP }, /* invalid field in command */
		{ 0x020, -EACCES }, /* namespace is write protected */
		{ 0x080, -EREMOTEIO }, /* LBA out of range */
		{ 0x081, -ENOSPC }, /* capacity exceeded */
		{ 0x082, -EREMOTEIO }, /* namespace not ready */
		{ 0x182, -EACCES }, /* attempted write to read only range */
		{ 0x280, -ENODATA }, /* write fault */
		{ 0x281, -ENODATA }, /* unrecovered read error */
		{ 0x282, -EILSEQ }, /* guard check */
		{ 0x283, -EILSEQ }, /* application tag check */
		{ 0x284, -EILSEQ }, /* reference tag check */
		{ 0x285, -ENODATA }, /* compare failure */
		{ 0x286, -EACCES }, /* access denied */
		{ 0x287, -ENODATA }, /* deallocated or unwritten block */
	};

	status &= 0x7ff;
	if (!status)
		return 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].status == status)
			return known[i].error;
	return -EIO;
}
