// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a trace of calls of clients of DMA engines, against a model that says of each descriptor
 * where it is: which callbacks come, in which order and with what result, what each cookie says, who
 * has which channel, and what is freed when. Callbacks prepare, submit, terminate and free as well.
 */
#include "dmaengine_model.h"

static void check_status(struct channel *ch, uint64_t nr)
{
	struct dma_tx_state state, *at = take() & 1 ? &state : NULL;
	enum dma_status wanted = nr <= ch->completed ? DMA_COMPLETE : DMA_IN_PROGRESS, got;
	const struct desc *d = NULL;
	size_t residue;

	for (unsigned int i = 0; i < FAILED && wanted == DMA_COMPLETE; i++)
		if (ch->failed[i] == nr)
			wanted = DMA_ERROR;
	for (unsigned int i = 0; i < DESCS; i++)
		if (descs[i].ch == ch && descs[i].nr == nr && descs[i].state >= SUBMITTED &&
		    descs[i].state <= RUNNING)
			d = &descs[i];
	got = dmaengine_tx_status(ch->chan, cookie_of(ch, nr), at);
	if (wanted == DMA_IN_PROGRESS && at && ch->is_paused && ch->controller->is_there)
		wanted = DMA_PAUSED;
	MUST(got == wanted);
	if (!at)
		return;
	residue = !d ? 0 : d->state == RUNNING ? d->len / 2 : d->len;
	MUST(state.last == cookie_of(ch, ch->completed));
	MUST(state.used == cookie_of(ch, ch->used));
	MUST(state.residue == residue);
}

static struct dma_async_tx_descriptor *prepare_some(struct channel *ch, struct desc *d,
						    unsigned long flags)
{
	static uint64_t
		room[(sizeof(struct dma_interleaved_template) + 2 * sizeof(struct data_chunk)) /
		     sizeof(uint64_t)];
	struct dma_interleaved_template *xt = (void *)room;
	unsigned int what = below(7);

	d->len = 4u * (1 + below(64));
	switch (what) {
	case 0:
		return dmaengine_prep_dma_memset(ch->chan, 0x1000, 1, d->len, flags);
	case 1:
		d->len = 0;
		return dmaengine_prep_dma_interrupt(ch->chan, flags);
	case 2:
		return dmaengine_prep_slave_single(ch->chan, 0x1000, d->len, DMA_MEM_TO_DEV, flags);
	case 3:
		d->is_cyclic = true;
		d->len *= 4;
		return dmaengine_prep_dma_cyclic(ch->chan, 0x1000, d->len, d->len / 4,
						 DMA_MEM_TO_DEV, flags);
	case 4:
		*xt = (struct dma_interleaved_template){ .numf = 1 + below(4),
							 .frame_size = 2,
							 .dir = DMA_MEM_TO_MEM };
		xt->sgl[0].size = d->len;
		xt->sgl[1].size = 8;
		d->len = (d->len + 8) * xt->numf;
		return dmaengine_prep_interleaved_dma(ch->chan, xt, flags);
	default:
		return dmaengine_prep_dma_memcpy(ch->chan, 0x1000, 0x2000, d->len, flags);
	}
}

static struct desc *prepare(struct channel *ch)
{
	struct desc *d = NULL;
	uint8_t how = take();

	for (unsigned int i = 0; i < DESCS && !d; i++)
		if (descs[i].state == NONE)
			d = &descs[i];
	if (!d)
		return NULL;
	*d = (struct desc){ .ch = ch, .how = how & 3, .is_kept = (how & 12) >= 8 };
	d->tx = prepare_some(ch, d, d->is_kept ? DMA_CTRL_REUSE : 0);
	MUST(d->tx || !ch->controller->is_there || !fail_in);
	if (!d->tx)
		return NULL;
	MUST(ch->controller->is_there && d->tx->cookie == 0 && d->tx->chan == ch->chan);
	d->state = PREPARED;
	d->tx->callback = d->how & 1 ? callback : NULL;
	d->tx->callback_result = d->how & 2 ? callback_result : NULL;
	d->tx->callback_param = d;
	if ((how & 0x30) == 0x30 && d->how) {
		d->unmap = dmaengine_get_unmap_data(ch->chan->device->dev, 1 + (int)below(200),
						    GFP_NOWAIT);
		if (d->unmap)
			dma_set_unmap(d->tx, d->unmap);
	}
	return d;
}

/* What its client may still touch. */
static bool is_clients(const struct desc *d)
{
	return d->state != NONE && (d->is_kept || d->state < DONE);
}

static bool is_busy(const struct desc *d)
{
	if (d->state == DONE || (d->state == TERMINATED && d->was_done))
		return d->how != 0;
	return d->state != PREPARED && d->state != CALLED;
}

static void submit(struct desc *d)
{
	dma_cookie_t cookie = dmaengine_submit(d->tx);

	if (is_busy(d)) {
		MUST(cookie == -EBUSY);
		return;
	}
	d->nr = ++d->ch->used;
	MUST(cookie == cookie_of(d->ch, d->nr) && d->tx->cookie == cookie);
	d->state = SUBMITTED;
}

static void issue(struct channel *ch)
{
	struct desc *d;

	dma_async_issue_pending(ch->chan);
	while ((d = first_in(ch, SUBMITTED)))
		d->state = ISSUED;
	start_next(ch);
}

static void end(struct channel *ch)
{
	struct desc *d = first_in(ch, RUNNING);
	struct dmaengine_result result = { (enum dmaengine_tx_result)(below(8) < 4 ? 0 : below(4)),
					   take() };

	MUST(engine_end(ch->chan, result.result, result.residue) == (d != NULL));
	if (!d)
		return;
	d->state = DONE;
	d->result = result;
	ch->completed = d->nr;
	if (result.result != DMA_TRANS_NOERROR)
		ch->failed[ch->nr_failed++ % FAILED] = d->nr;
	if (ch->period == d)
		ch->period = NULL;
	start_next(ch);
}

/* Of one that goes round; others end. */
static void end_period(struct channel *ch)
{
	struct desc *d = first_in(ch, RUNNING);

	if (!d || !d->is_cyclic) {
		end(ch);
		return;
	}
	engine_end_period(ch->chan);
	ch->period = d;
}

static void keep(struct desc *d)
{
	if (take() & 1) {
		MUST(!dmaengine_desc_set_reuse(d->tx));
		d->is_kept = true;
	} else {
		dmaengine_desc_clear_reuse(d->tx);
		d->is_kept = false;
	}
}

static void free_kept(struct desc *d)
{
	int err = dmaengine_desc_free(d->tx);

	if (!d->is_kept)
		MUST(err == -EPERM);
	else if (is_busy(d))
		MUST(err == -EBUSY);
	else {
		MUST(!err);
		is_freed(d);
	}
}

/* One that its client may submit, free or keep; in a callback, its own first. */
static struct desc *some_desc(struct desc *own, struct channel *ch)
{
	unsigned int skip = below(6);

	if (own && skip < 3 && (own->is_kept || own->state == CALLED))
		return own->state == CALLED || is_clients(own) ? own : NULL;
	for (unsigned int i = 0; i < DESCS; i++)
		if (descs[i].ch == ch && is_clients(&descs[i]) && !skip--)
			return &descs[i];
	return first_in(ch, PREPARED);
}

static void desc_call(struct desc *d, unsigned int what)
{
	if (!d)
		return;
	if (what == 2) {
		if (d->state != CALLED || d->is_kept)
			submit(d);
	} else if (what == 3) {
		keep(d);
	} else if (is_clients(d)) {
		free_kept(d);
	}
}

/* A channel is gone: whatever is asked of it fails, and says why. */
static void gone_call(struct channel *ch)
{
	berth_clear_error();
	MUST(!dmaengine_prep_dma_memcpy(ch->chan, 0x1000, 0x2000, 4, 0));
	MUST(berth_last_error()->reason == BERTH_REASON_STATE);
	MUST(dmaengine_terminate_async(ch->chan) == -ENODEV);
	MUST(dmaengine_pause(ch->chan) == -ENODEV);
	dma_async_issue_pending(ch->chan);
	check_status(ch, ch->used);
}

static void control(struct channel *ch)
{
	struct dma_slave_config config = { .dst_maxburst = below(32) };

	switch (below(3)) {
	case 0:
		MUST(!dmaengine_pause(ch->chan));
		ch->is_paused = true;
		break;
	case 1:
		MUST(!dmaengine_resume(ch->chan));
		ch->is_paused = false;
		break;
	default:
		MUST(dmaengine_slave_config(ch->chan, &config) ==
		     (config.dst_maxburst > 16 ? -EINVAL : 0));
	}
}

/* One that somebody has, if there is any. */
static struct channel *some_channel(void)
{
	unsigned int nr = below(CHANNELS), i = 0;

	while (channels[nr].holder == NOBODY && i++ < CHANNELS)
		nr = (nr + 1) % CHANNELS;
	return &channels[nr];
}

/* What any context may do. */
static void some_call(struct desc *own)
{
	struct channel *ch = own && take() & 1 ? own->ch : some_channel();
	unsigned int what = below(16);
	struct desc *d;

	if (ch->holder == NOBODY)
		return;
	if (!ch->controller->is_there) {
		gone_call(ch);
		return;
	}
	if (what < 2) {
		d = prepare(ch);
		if (d && what) {
			submit(d);
			issue(ch);
		}
	} else if (what < 5) {
		desc_call(some_desc(own, ch), what);
	} else if (what < 7) {
		issue(ch);
	} else if (what < 9) {
		end(ch);
	} else if (what < 12) {
		end_period(ch);
	} else if (what < 13) {
		check_status(ch, ch->used - (below(8) < ch->used ? below(8) % (ch->used + 1) : 0));
	} else if (what < 14) {
		control(ch);
	} else {
		MUST(!dmaengine_terminate_async(ch->chan));
		terminated(ch);
	}
}

/* A channel that was got for himself. */
static void taken(struct dma_chan *chan)
{
	for (unsigned int i = 0; i < CHANNELS; i++) {
		struct channel *ch = &channels[i];

		if (ch->chan != chan || !ch->controller->is_there)
			continue;
		MUST(ch->holder == NOBODY && !engine_chan(chan)->alloc_result);
		ch->holder = OWN;
		return;
	}
	MUST(false);
}

static bool is_third(struct dma_chan *chan, void *param)
{
	return chan->chan_id == *(int *)param;
}

/* The one that a request by mask has to give. */
static struct dma_chan *wanted(int id)
{
	for (unsigned int i = 0; i < 2; i++) {
		unsigned int nr = controllers[0].came < controllers[1].came ? i : 1 - i;
		struct controller *controller = &controllers[nr];

		if (!controller->is_there || is_shared(controller))
			continue;
		for (unsigned int j = 0; j < ENGINE_CHANNELS; j++) {
			struct channel *ch = &channels[nr * ENGINE_CHANNELS + j];

			if (ch->holder == NOBODY && (id < 0 || id == (int)j) &&
			    !engine_chan(ch->chan)->alloc_result)
				return ch->chan;
		}
	}
	return NULL;
}

static void request_by_mask(void)
{
	int id = (int)below(ENGINE_CHANNELS + 1) - 1;
	bool is_empty = !controllers[0].is_there && !controllers[1].is_there;
	struct dma_chan *chan, *right = wanted(id);
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	berth_clear_error();
	if (id < 0) {
		chan = dma_request_chan_by_mask(&mask);
		if (IS_ERR(chan)) {
			MUST(PTR_ERR(chan) == (is_empty ? -EPROBE_DEFER : -ENODEV));
			chan = NULL;
		}
	} else {
		chan = dma_request_channel(mask, is_third, &id);
	}
	MUST(chan == right);
	if (chan)
		taken(chan);
	else
		MUST(berth_last_error()->reason == BERTH_REASON_NO_CHANNEL);
}

static void request_by_name(void)
{
	static const struct {
		const char *node, *name;
		unsigned int first, second;
	} ways[] = { { "/client", "tx", 1, 1 },
		     { "/client", "rx", 2, 2 },
		     { "/client", "two-cells", 5, 5 },
		     { "/other", "same", 1, 3 } };
	unsigned int way = below(ARRAY_SIZE(ways)), nr = ways[way].first;
	struct platform_device *pdev = of_find_device_by_node(of_find_node_by_path(ways[way].node));
	struct dma_chan *chan;

	berth_clear_error();
	chan = dma_request_chan(&pdev->dev, ways[way].name);
	for (;; nr = ways[way].second) {
		struct channel *ch = &channels[nr];

		if (!ch->controller->is_there) {
			MUST(PTR_ERR(chan) == -EPROBE_DEFER && berth_last_error()->code);
			return;
		}
		if (ch->holder == NOBODY && !engine_chan(ch->chan)->alloc_result)
			break;
		if (nr == ways[way].second) {
			MUST(PTR_ERR(chan) == -ENODEV && berth_last_error()->code);
			return;
		}
	}
	MUST(chan == channels[nr].chan && chan->slave == &pdev->dev);
	taken(chan);
}

static void publish(struct controller *controller)
{
	if (!controller->is_there || is_private(controller))
		return;
	for (unsigned int i = 0; i < CHANNELS; i++)
		if (channels[i].controller == controller && channels[i].holder == NOBODY &&
		    !engine_chan(channels[i].chan)->alloc_result)
			channels[i].holder = EVERYBODY;
}

static void forget_channels(struct controller *controller)
{
	for (unsigned int i = 0; i < CHANNELS; i++)
		if (channels[i].controller == controller && channels[i].holder != NOBODY)
			return;
	for (unsigned int i = 0; i < CHANNELS; i++)
		if (channels[i].controller == controller)
			channels[i].chan = NULL;
}

static void release(struct channel *ch)
{
	struct controller *controller = ch->controller;

	if (ch->holder == NOBODY)
		return;
	berth_clear_error();
	dma_release_channel(ch->chan);
	if (ch->holder == EVERYBODY) {
		MUST(berth_last_error()->reason == BERTH_REASON_NOT_OWNED);
		return;
	}
	all_freed(ch);
	ch->holder = NOBODY;
	if (!controller->is_there)
		forget_channels(controller);
}

static void public_get(void)
{
	dmaengine_get();
	if (!nr_public++)
		for (unsigned int i = 0; i < 2; i++)
			publish(&controllers[i]);
}

static void public_put(void)
{
	dmaengine_put();
	if (!nr_public || --nr_public)
		return;
	for (unsigned int i = 0; i < CHANNELS; i++) {
		if (channels[i].holder != EVERYBODY)
			continue;
		all_freed(&channels[i]);
		channels[i].holder = NOBODY;
	}
	for (unsigned int i = 0; i < 2; i++)
		if (!controllers[i].is_there)
			forget_channels(&controllers[i]);
}

static void find_public(void)
{
	struct dma_chan *chan = dma_find_channel(DMA_MEMCPY);
	bool is_any = false, is_it = false;

	MUST(!dma_find_channel(DMA_XOR));
	for (unsigned int i = 0; i < CHANNELS; i++) {
		if (channels[i].holder != EVERYBODY || !channels[i].controller->is_there ||
		    is_private(channels[i].controller))
			continue;
		is_any = true;
		is_it |= channels[i].chan == chan;
	}
	MUST(is_any ? is_it : !chan);
}

/* New channels of a controller that has come. */
static void came(struct controller *controller)
{
	struct engine *engine = platform_get_drvdata(controller->pdev);
	unsigned int first = controller == controllers ? 0 : ENGINE_CHANNELS;
	dma_cookie_t base = take() & 1 ? INT32_MAX - (dma_cookie_t)below(16) : DMA_MIN_COOKIE;

	controller->is_there = true;
	controller->came = ++nr_came;
	for (unsigned int i = 0; i < ENGINE_CHANNELS; i++) {
		struct channel *ch = &channels[first + i];

		*ch = (struct channel){ .chan = &engine->channels[i].vc.chan,
					.controller = controller,
					.base = base };
		for (unsigned int j = 0; j < FAILED; j++)
			ch->failed[j] = NO_FAILURE;
		ch->chan->cookie = ch->chan->completed_cookie = base;
	}
}

/* A controller goes, or comes back when nobody has anything of it any more. */
static void come_or_go(struct controller *controller)
{
	unsigned int first = controller == controllers ? 0 : ENGINE_CHANNELS;

	if (controller->is_there) {
		engine_remove(controller->pdev);
		platform_set_drvdata(controller->pdev, NULL);
		controller->is_there = false;
		for (unsigned int i = first; i < first + ENGINE_CHANNELS; i++)
			all_freed(&channels[i]);
		forget_channels(controller);
	} else if (!channels[first].chan) {
		bool may_fail = fail_in != 0;

		if (engine_probe(controller->pdev)) {
			MUST(may_fail && !fail_in);
			return;
		}
		came(controller);
		if (nr_public)
			publish(controller);
	}
}

static void synchronize(struct channel *ch)
{
	if (ch->holder == NOBODY)
		return;
	if (!ch->controller->is_there) {
		dmaengine_synchronize(ch->chan);
		return;
	}
	if (take() & 1) {
		MUST(!dmaengine_terminate_sync(ch->chan));
		terminated(ch);
	} else {
		dmaengine_synchronize(ch->chan);
	}
	synchronized(ch);
}

static void wait_for(struct channel *ch)
{
	uint64_t nr = ch->used - (ch->used ? below(2) : 0);
	bool is_done = nr <= ch->completed, has_failed = false;
	int err;

	if (ch->holder == NOBODY)
		return;
	err = berth_dma_wait(ch->chan, cookie_of(ch, nr), 0);
	if (ch->controller->is_there) {
		struct desc *d;

		while ((d = first_in(ch, SUBMITTED)))
			d->state = ISSUED;
		start_next(ch);
	}
	for (unsigned int i = 0; i < FAILED; i++)
		has_failed |= ch->failed[i] == nr;
	if (is_done)
		MUST(err == (has_failed ? -EIO : 0));
	else
		MUST(err == (ch->controller->is_there ? -ETIMEDOUT : -ENODEV));
}

/* What may sleep: interrupts are there, and so all callbacks have come. */
static void sleeping_call(void)
{
	struct channel *ch = some_channel();
	unsigned int what = below(12);

	settle();
	if (what < 2)
		request_by_mask();
	else if (what < 4)
		request_by_name();
	else if (what == 4)
		release(ch);
	else if (what < 7)
		synchronize(ch);
	else if (what == 7)
		take() & 1 && nr_public < 3 ? public_get() : public_put();
	else if (what == 8)
		find_public();
	else if (what == 9)
		come_or_go(&controllers[below(8) & 1]);
	else if (what == 10)
		wait_for(ch);
	else if (ch->controller->is_there)
		engine_chan(ch->chan)->alloc_result = take() & 1 ? -ENOMEM : 0;
	unsettle();
}

static void check_live(void)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < DESCS; i++)
		nr += descs[i].state != NONE;
	for (unsigned int i = 0; i < 2; i++)
		nr += channels[i * ENGINE_CHANNELS].chan != NULL;
	MUST(nr_live == nr);
}

/* A start takes longer than most inputs: one does for many. */
static void start(void)
{
	static const struct berth_driver drivers[] = { BERTH_PLATFORM_DRIVER(&engine_driver),
						       BERTH_NO_MORE_DRIVERS };
	static const char *const nodes[] = { "/engine0", "/engine1" };
	bool is_new = !berth_running();

	memset(descs, 0, sizeof(descs));
	memset(channels, 0, sizeof(channels));
	nr_public = nr_came = depth = fail_in = 0;
	if (is_new) {
		engines[0] = engines[1] = NULL;
		MUST(!start_tree(tree_engines, drivers, NULL));
	}
	for (unsigned int i = 0; i < 2; i++) {
		controllers[i].pdev = of_find_device_by_node(of_find_node_by_path(nodes[i]));
		if (is_new)
			came(&controllers[i]);
		else
			come_or_go(&controllers[i]);
	}
}

static void release_all(bool also_there)
{
	for (unsigned int i = 0; i < CHANNELS; i++)
		if (channels[i].holder == OWN && (also_there || !channels[i].controller->is_there))
			release(&channels[i]);
}

/* Everybody lets go; or some do not, and then it is the end that makes them. */
static void stop(bool is_end)
{
	fail_in = 0;
	settle();
	release_all(take() & 1);
	for (unsigned int i = 0; i < 2; i++)
		if (controllers[i].is_there && (!is_end || take() & 1))
			come_or_go(&controllers[i]);
	release_all(false);
	if (is_end) {
		release_all(true);
		/* Their descriptors let go of the rest. */
		for (unsigned int i = 0; i < DESCS; i++)
			dmaengine_unmap_put(descs[i].unmap);
		MUST(!berth_stop());
	} else {
		while (nr_public)
			public_put();
	}
	MUST(!nr_live);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool is_end;

	input = data;
	input_left = size;
	is_end = (take() & 15) == 15;
	start();
	unsettle();
	for (unsigned int i = 0; input_left && i < MAX_CALLS; i++) {
		uint8_t what = take();

		if (what == 0xff)
			fail_in = 1 + below(4);
		else if (what < 0x60)
			sleeping_call();
		else
			some_call(NULL);
		check_live();
	}
	stop(is_end);
	return 0;
}
