/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests on their way: cut into commands, given to the controller, ended. */
#include <berth/completion.h>
#include <berth/slab.h>

#include "nvme.h"

int berth_nvme_alloc_slots(struct nvme *nvme)
{
	size_t bytes = nvme->nr_slots * sizeof(*nvme->slots);
	struct scatterlist *sgl;

	nvme->slots = devm_kzalloc(nvme->dev, bytes, GFP_KERNEL);
	if (!nvme->slots)
		return -ENOMEM;
	nvme->lists = dma_pool_create("nvme PRP lists", nvme->dev, LIST_ENTRIES * sizeof(uint64_t),
				      LIST_ENTRIES * sizeof(uint64_t), NVME_PAGE);
	if (!nvme->lists)
		return -ENOMEM;
	/* All now: to write a page must not need memory. */
	for (unsigned int i = 0; i < nvme->nr_slots; i++) {
		struct slot *slot = &nvme->slots[i];

		sgl = devm_kmalloc(nvme->dev, MAX_SEGMENTS * sizeof(*sgl), GFP_KERNEL);
		slot->list = sgl ? dma_pool_alloc(nvme->lists, GFP_KERNEL, &slot->list_dma) : NULL;
		if (!slot->list)
			return -ENOMEM;
		slot->sgl = sgl;
		slot->command.cid = (uint16_t)i;
		slot->next = nvme->free;
		nvme->free = slot;
	}
	return 0;
}

void berth_nvme_free_slots(struct nvme *nvme)
{
	for (unsigned int i = 0; nvme->slots && i < nvme->nr_slots; i++)
		if (nvme->slots[i].list)
			dma_pool_free(nvme->lists, nvme->slots[i].list, nvme->slots[i].list_dma);
	dma_pool_destroy(nvme->lists);
}

/* With the lock: no more of this request is issued. */
static void forget_rest(struct nvme *nvme, struct berth_nvme_request *request)
{
	if (!request->is_cut) {
		request->is_cut = true;
		nvme->waiting = request->next;
		if (!nvme->waiting)
			nvme->waiting_end = &nvme->waiting;
	}
}

/* With the lock: whether the request is at its end, and the caller must call_done(). */
static bool put_request(struct nvme *nvme, struct berth_nvme_request *request)
{
	if (--request->commands || !request->is_cut)
		return false;
	nvme->stats.requests++;
	__atomic_fetch_add(&nvme->ending, 1, __ATOMIC_RELAXED);
	return true;
}

/* Without the lock. Who unbinds the driver waits for it: it is the last access. */
static void call_done(struct nvme *nvme, struct berth_nvme_request *request)
{
	request->done(request);
	__atomic_fetch_sub(&nvme->ending, 1, __ATOMIC_RELEASE);
}

/* Without the lock: a command that the controller has no more. */
static void end_command(struct nvme *nvme, struct slot *slot)
{
	struct berth_nvme_request *request = slot->request;
	unsigned long flags;
	bool is_last;

	if (slot->is_mapped)
		dma_unmap_sgtable(nvme->dev, &slot->table, slot->dir, 0);
	slot->is_mapped = false;
	spin_lock_irqsave(&nvme->lock, flags);
	if (slot->error && !request->error) {
		request->error = slot->error;
		request->status = slot->status;
	}
	if (slot->error)
		forget_rest(nvme, request);
	nvme->stats.errors += slot->error != 0;
	slot->next = nvme->free;
	nvme->free = slot;
	nvme->busy--;
	nvme->ended++;
	is_last = put_request(nvme, request);
	spin_unlock_irqrestore(&nvme->lock, flags);
	if (is_last)
		call_done(nvme, request);
}

static int map(struct nvme *nvme, struct slot *slot)
{
	int err = dma_map_sgtable(nvme->dev, &slot->table, slot->dir, 0);

	if (err)
		return err;
	err = berth_nvme_build_prps(slot->table.sgl, slot->table.nents, slot->list, slot->list_dma,
				    LIST_ENTRIES, slot->command.prp);
	if (err)
		dma_unmap_sgtable(nvme->dev, &slot->table, slot->dir, 0);
	slot->is_mapped = !err;
	return err;
}

/* The next command of a request. Without the lock: mapping may copy. Nobody else moves the cursor. */
static int prepare(struct nvme *nvme, struct slot *slot)
{
	struct berth_nvme_request *request = slot->request;
	const struct berth_nvme_namespace *ns = request->ns;
	struct nvme_limits limits = nvme->limits;
	unsigned int nents, blocks;
	int bytes;

	slot->command = (struct nvme_command){
		.opcode = IO_FLUSH,
		.cid = slot->command.cid,
		.nsid = ns->id,
	};
	slot->error = 0;
	slot->status = 0;
	if (request->op == BERTH_NVME_FLUSH)
		return 0;
	limits.block_bytes = ns->block_bytes;
	sg_init_table(slot->sgl, MAX_SEGMENTS);
	bytes = berth_nvme_cut(&request->at, &limits, slot->sgl, &nents);
	if (bytes <= 0)
		return -EINVAL;
	sg_mark_end(&slot->sgl[nents - 1]);
	slot->table = (struct sg_table){ .sgl = slot->sgl, .nents = nents, .orig_nents = nents };
	slot->dir = request->op == BERTH_NVME_READ ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
	slot->command.opcode = request->op == BERTH_NVME_READ ? IO_READ : IO_WRITE;
	blocks = (unsigned int)bytes / ns->block_bytes;
	slot->command.dw10 = (uint32_t)request->at_block;
	slot->command.dw11 = (uint32_t)(request->at_block >> 32);
	slot->command.dw12 = blocks - 1;
	return map(nvme, slot);
}

/* With the lock: give a prepared command to the controller. */
static void issue(struct nvme *nvme, struct slot *slot)
{
	struct berth_nvme_request *request = slot->request;

	if (request->op != BERTH_NVME_FLUSH)
		request->at_block += slot->command.dw12 + 1;
	if (request->op == BERTH_NVME_FLUSH || berth_nvme_is_at_end(&request->at))
		forget_rest(nvme, request);
	slot->deadline = berth_jiffies() + msecs_to_jiffies(nvme->timeout_ms);
	slot->is_issued = true;
	nvme->stats.commands++;
	if (nvme->busy > nvme->stats.max_in_flight)
		nvme->stats.max_in_flight = nvme->busy;
	berth_nvme_push(nvme, &nvme->io, &slot->command);
	if (!timer_pending(&nvme->timer)) {
		unsigned int tick = nvme->timeout_ms < TICK_MS ? nvme->timeout_ms : TICK_MS;

		mod_timer(&nvme->timer, berth_jiffies() + msecs_to_jiffies(tick));
	}
}

/*
 * With the lock: there was no bounce buffer. True, and the command is not begun, if it is worth trying
 * again: now, if others have ended meanwhile, else when one of them ends.
 */
static bool put_off(struct nvme *nvme, struct slot *slot, const struct berth_nvme_cursor *before,
		    bool is_news)
{
	struct berth_nvme_request *request = slot->request;

	if (nvme->state != LIVE || request->error || (nvme->busy == 1 && !is_news))
		return false;
	request->at = *before;
	request->commands--;
	slot->next = nvme->free;
	nvme->free = slot;
	nvme->busy--;
	return true;
}

/* With the lock: a slot for the next command of the first request that waits. */
static struct slot *take_slot(struct nvme *nvme)
{
	struct slot *slot = nvme->free;

	nvme->free = slot->next;
	nvme->busy++;
	slot->request = nvme->waiting;
	slot->request->commands++;
	return slot;
}

/* Turn requests into commands while there is room. One at a time does so, for all. */
static void pump(struct nvme *nvme)
{
	struct berth_nvme_cursor before;
	unsigned long flags;
	struct slot *slot;
	uint64_t ended;
	int err;

	spin_lock_irqsave(&nvme->lock, flags);
	if (nvme->is_pumping) {
		spin_unlock_irqrestore(&nvme->lock, flags);
		return;
	}
	nvme->is_pumping = true;
	while (nvme->state == LIVE && nvme->waiting && nvme->free) {
		slot = take_slot(nvme);
		before = slot->request->at;
		ended = nvme->ended;
		spin_unlock_irqrestore(&nvme->lock, flags);
		err = prepare(nvme, slot);
		spin_lock_irqsave(&nvme->lock, flags);
		if (!err && nvme->state == LIVE && !slot->request->error) {
			issue(nvme, slot);
			continue;
		}
		if (err == -ENOMEM && put_off(nvme, slot, &before, nvme->ended != ended)) {
			if (nvme->ended != ended)
				continue;
			break;
		}
		slot->error = err ? err : nvme->state == LIVE ? -EIO : nvme->why;
		spin_unlock_irqrestore(&nvme->lock, flags);
		end_command(nvme, slot);
		spin_lock_irqsave(&nvme->lock, flags);
	}
	nvme->is_pumping = false;
	spin_unlock_irqrestore(&nvme->lock, flags);
}

/* With the lock: commands that are done, oldest last. False: the controller talks nonsense. */
static bool collect(struct nvme *nvme, struct slot **list, unsigned int *nr)
{
	struct nvme_completion completion;
	bool is_sane = true;

	while (is_sane && *nr < IO_DEPTH && berth_nvme_pop(&nvme->io, &completion)) {
		struct slot *slot;

		++*nr;
		is_sane = completion.sq_id == nvme->io.id && completion.cid < nvme->nr_slots &&
			  nvme->slots[completion.cid].is_issued;
		if (!is_sane)
			break;
		slot = &nvme->slots[completion.cid];
		slot->is_issued = false;
		slot->status = completion.status >> 1 & 0x7ff;
		slot->error = berth_nvme_errno(slot->status);
		*list = slot;
		list = &slot->next;
		*list = NULL;
	}
	if (*nr)
		berth_nvme_popped(nvme, &nvme->io);
	return is_sane;
}

static void end_commands(struct nvme *nvme, struct slot *list)
{
	while (list) {
		struct slot *slot = list;

		list = slot->next;
		end_command(nvme, slot);
	}
}

/* It must not touch memory any more, whatever it does. */
static void fail(struct nvme *nvme, int why, const char *text)
{
	unsigned long flags;

	if (!berth_nvme_stop_requests(nvme, DEAD, why))
		return;
	dev_err(nvme->dev, "%s: stopped\n", text);
	spin_lock_irqsave(&nvme->lock, flags);
	berth_nvme_reg_write(nvme, 0, REG_CC);
	spin_unlock_irqrestore(&nvme->lock, flags);
	pci_clear_master(nvme->pdev);
	/* Nor bother others on its line. */
	berth_nvme_set_line(nvme->pdev, false);
	berth_nvme_end_all(nvme);
}

unsigned int berth_nvme_reap(struct nvme *nvme, bool is_interrupt)
{
	struct slot *list = NULL;
	unsigned long flags;
	unsigned int nr = 0;
	bool is_sane = true;

	spin_lock_irqsave(&nvme->lock, flags);
	if (nvme->state == LIVE)
		is_sane = collect(nvme, &list, &nr);
	nvme->stats.interrupts += is_interrupt && nr;
	spin_unlock_irqrestore(&nvme->lock, flags);
	end_commands(nvme, list);
	if (!is_sane)
		fail(nvme, -EIO, "it ends commands that it was not given");
	else if (nr)
		pump(nvme);
	return nr;
}

/* With the lock. */
static unsigned int count_expired(const struct nvme *nvme)
{
	unsigned long now = berth_jiffies();
	unsigned int nr = 0;

	for (unsigned int i = 0; i < nvme->nr_slots; i++)
		nr += nvme->slots[i].is_issued && (long)(now - nvme->slots[i].deadline) >= 0;
	return nr;
}

static unsigned int expired(struct nvme *nvme)
{
	unsigned long flags;
	unsigned int nr;

	spin_lock_irqsave(&nvme->lock, flags);
	nr = nvme->state == LIVE ? count_expired(nvme) : 0;
	spin_unlock_irqrestore(&nvme->lock, flags);
	return nr;
}

/* Some had no time left. Are they done, and nobody has said so? */
static void look_late(struct nvme *nvme, unsigned int before)
{
	unsigned long flags;
	unsigned int left;

	berth_nvme_reap(nvme, false);
	left = expired(nvme);
	spin_lock_irqsave(&nvme->lock, flags);
	nvme->stats.lost_interrupts += before > left ? before - left : 0;
	nvme->stats.timeouts += left;
	spin_unlock_irqrestore(&nvme->lock, flags);
	if (left)
		fail(nvme, -ETIMEDOUT, "a command takes too long");
}

void berth_nvme_tick(struct timer_list *timer)
{
	struct nvme *nvme = container_of(timer, struct nvme, timer);
	uint32_t csts = readl(nvme->regs + REG_CSTS);
	unsigned int late = expired(nvme), tick;
	unsigned long flags;

	if (csts == GONE)
		fail(nvme, -EIO, "it is gone");
	else if (csts & CSTS_CFS)
		fail(nvme, -EIO, "it has failed");
	else if (late)
		look_late(nvme, late);
	spin_lock_irqsave(&nvme->lock, flags);
	tick = nvme->timeout_ms < TICK_MS ? nvme->timeout_ms : TICK_MS;
	if (nvme->state == LIVE && nvme->busy)
		mod_timer(&nvme->timer, berth_jiffies() + msecs_to_jiffies(tick));
	spin_unlock_irqrestore(&nvme->lock, flags);
}

bool berth_nvme_stop_requests(struct nvme *nvme, enum nvme_state state, int why)
{
	unsigned long flags;
	bool was_live;

	spin_lock_irqsave(&nvme->lock, flags);
	was_live = nvme->state == LIVE;
	if (was_live || state == LEAVING) {
		nvme->state = state;
		nvme->why = why;
	}
	spin_unlock_irqrestore(&nvme->lock, flags);
	return was_live;
}

/* With the lock: one request that waits, as if its next command had failed. */
static struct berth_nvme_request *drop_waiting(struct nvme *nvme)
{
	struct berth_nvme_request *request = nvme->waiting;

	request->error = request->error ? request->error : nvme->why;
	forget_rest(nvme, request);
	request->commands++;
	return put_request(nvme, request) ? request : NULL;
}

void berth_nvme_end_all(struct nvme *nvme)
{
	struct berth_nvme_request *request;
	struct slot *list = NULL;
	unsigned long flags;

	spin_lock_irqsave(&nvme->lock, flags);
	for (unsigned int i = nvme->nr_slots; i--;) {
		struct slot *slot = &nvme->slots[i];

		if (!slot->is_issued)
			continue;
		slot->is_issued = false;
		slot->status = 0;
		slot->error = nvme->why;
		slot->next = list;
		list = slot;
	}
	spin_unlock_irqrestore(&nvme->lock, flags);
	end_commands(nvme, list);
	spin_lock_irqsave(&nvme->lock, flags);
	while (nvme->waiting) {
		request = drop_waiting(nvme);
		spin_unlock_irqrestore(&nvme->lock, flags);
		if (request)
			call_done(nvme, request);
		spin_lock_irqsave(&nvme->lock, flags);
	}
	spin_unlock_irqrestore(&nvme->lock, flags);
}

bool berth_nvme_is_idle(struct nvme *nvme)
{
	unsigned long flags;
	bool is_idle;

	spin_lock_irqsave(&nvme->lock, flags);
	is_idle = !nvme->busy && !nvme->is_pumping &&
		  !__atomic_load_n(&nvme->ending, __ATOMIC_ACQUIRE);
	spin_unlock_irqrestore(&nvme->lock, flags);
	return is_idle;
}

/* Whether all of a request can be cut into commands. */
static int check(const struct nvme *nvme, const struct berth_nvme_namespace *ns,
		 const struct berth_nvme_request *request)
{
	struct nvme_limits limits = nvme->limits;
	struct berth_nvme_cursor at = request->at;
	int bytes, all = 0;

	if (request->op == BERTH_NVME_FLUSH)
		return 0;
	if (request->op != BERTH_NVME_READ && request->op != BERTH_NVME_WRITE)
		return -EINVAL;
	limits.block_bytes = ns->block_bytes;
	while ((bytes = berth_nvme_cut(&at, &limits, NULL, NULL)) > 0)
		all = 1;
	return bytes || !all ? -EINVAL : 0;
}

/* Bytes that a request asks for. */
static uint64_t bytes_of(const struct berth_nvme_request *request)
{
	struct scatterlist *sg = request->sgl;
	uint64_t bytes = 0;

	if (request->op == BERTH_NVME_FLUSH)
		return 0;
	if (!sg)
		return request->bvecs ? request->iter.bi_size : 0;
	for (unsigned int i = 0; sg && i < request->nents; i++, sg = sg_next(sg))
		bytes += sg->length;
	return bytes;
}

/* The reason of a request that failed. */
static int explain(const struct berth_nvme_request *request, int err)
{
	const struct berth_nvme_namespace *ns = request->ns;

	return berth_set_error(dev_name(ns->nvme->dev), err,
			       err == -EINVAL ? BERTH_REASON_ARGUMENT : BERTH_REASON_IO,
			       request->block * ns->block_bytes, bytes_of(request));
}

int berth_nvme_submit(struct berth_nvme_namespace *ns, struct berth_nvme_request *request)
{
	struct nvme *nvme = ns->nvme;
	unsigned long flags;
	int err;

	berth_nvme_start_cursor(&request->at, request);
	request->ns = ns;
	request->next = NULL;
	request->at_block = request->block;
	request->commands = 0;
	request->is_cut = false;
	request->error = 0;
	request->status = 0;
	err = check(nvme, ns, request);
	if (err)
		return explain(request, err);
	spin_lock_irqsave(&nvme->lock, flags);
	if (nvme->state == LIVE) {
		*nvme->waiting_end = request;
		nvme->waiting_end = &request->next;
	} else {
		err = nvme->state == DEAD ? -EIO : -ENXIO;
	}
	spin_unlock_irqrestore(&nvme->lock, flags);
	if (err)
		return explain(request, err);
	pump(nvme);
	return 0;
}

static void wake(struct berth_nvme_request *request)
{
	complete(request->data);
}

int berth_nvme_run(struct berth_nvme_namespace *ns, struct berth_nvme_request *request)
{
	struct nvme *nvme = ns->nvme;
	struct completion done;
	int err;

	init_completion(&done);
	request->done = wake;
	request->data = &done;
	err = berth_nvme_submit(ns, request);
	if (err)
		return err;
	while (__atomic_load_n(&nvme->is_polling, __ATOMIC_RELAXED) && !completion_done(&done))
		if (!berth_nvme_reap(nvme, false))
			udelay(1);
	wait_for_completion(&done);
	return request->error ? explain(request, request->error) : 0;
}

int berth_nvme_read(struct berth_nvme_namespace *ns, uint64_t block, struct scatterlist *sgl,
		    unsigned int nents)
{
	struct berth_nvme_request request = {
		.op = BERTH_NVME_READ,
		.block = block,
		.sgl = sgl,
		.nents = nents,
	};

	return berth_nvme_run(ns, &request);
}

int berth_nvme_write(struct berth_nvme_namespace *ns, uint64_t block, struct scatterlist *sgl,
		     unsigned int nents)
{
	struct berth_nvme_request request = {
		.op = BERTH_NVME_WRITE,
		.block = block,
		.sgl = sgl,
		.nents = nents,
	};

	return berth_nvme_run(ns, &request);
}

int berth_nvme_flush(struct berth_nvme_namespace *ns)
{
	struct berth_nvme_request request = { .op = BERTH_NVME_FLUSH };

	return berth_nvme_run(ns, &request);
}
