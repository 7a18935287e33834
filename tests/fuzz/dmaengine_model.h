/* SPDX-License-Identifier: BSD-2-Clause */
/* Of dmaengine.c: where each descriptor is, who has which channel, and what its callbacks have to be. */
#ifndef TESTS_FUZZ_DMAENGINE_MODEL_H
#define TESTS_FUZZ_DMAENGINE_MODEL_H

#include "../model/machine.h"

#include <berth/platform_device.h>
#include <berth/slab.h>
#include <berth/test.h>
#include <berth/timer.h>
#include <berth/virt-dma.h>

#include <stdio.h>
#include <stdlib.h>

/* The address sanitizer knows what malloc() gives. */
static unsigned int nr_live, fail_in;

static void *fuzz_alloc(size_t size)
{
	if (fail_in && !--fail_in)
		return NULL;
	nr_live++;
	return calloc(1, size);
}

static void fuzz_free(const void *memory)
{
	nr_live -= memory != NULL;
	free((void *)(uintptr_t)memory);
}

#undef kzalloc
#undef kfree
#define kzalloc(size, flags) fuzz_alloc(size)
#define kfree(memory) fuzz_free(memory)
#include "../model/engine.h"

#define MAX_CALLS 300
#define DESCS 48
#define CHANNELS (2 * ENGINE_CHANNELS)
#define FAILED BERTH_DMA_FAILED_COOKIES
#define NO_FAILURE UINT64_MAX

static void wrong(int line, const char *what)
{
	char why[200];

	berth_error_text(NULL, why, sizeof(why));
	fprintf(stderr, "line %d: %s does not hold; last error: %s\n", line, what, why);
	abort();
}

#define MUST(holds) ((holds) ? (void)0 : wrong(__LINE__, #holds))

enum state { NONE, PREPARED, SUBMITTED, ISSUED, RUNNING, DONE, CALLED, TERMINATED };
enum holder { NOBODY, OWN, EVERYBODY };

/* struct desc - @nr: its cookie, counted from the first of its channel. @how: bit 0, 1: callbacks */
struct desc {
	enum state state;
	struct dma_async_tx_descriptor *tx;
	struct channel *ch;
	uint64_t nr;
	size_t len;
	unsigned int how;
	bool is_kept, is_cyclic, was_done;
	struct dmaengine_result result;
	struct dmaengine_unmap_data *unmap;
};

static struct channel {
	struct dma_chan *chan;
	struct controller *controller;
	enum holder holder;
	dma_cookie_t base;
	uint64_t used, completed, failed[FAILED];
	unsigned int nr_failed;
	struct desc *period, *called;
	bool is_paused;
} channels[CHANNELS];

static struct controller {
	struct platform_device *pdev;
	bool is_there;
	unsigned int came; /* the order of registration */
} controllers[2];

static struct desc descs[DESCS];
static unsigned int nr_public, nr_came, depth;
static unsigned long irqs;
static const uint8_t *input;
static size_t input_left;

static uint8_t take(void)
{
	return input_left ? (input_left--, *input++) : 0;
}

static unsigned int below(unsigned int bound)
{
	return take() % bound;
}

static dma_cookie_t cookie_of(const struct channel *ch, uint64_t nr)
{
	return (dma_cookie_t)(((uint64_t)ch->base - 1 + nr) % INT32_MAX + 1);
}

static bool is_private(const struct controller *controller)
{
	for (unsigned int i = 0; i < CHANNELS; i++)
		if (channels[i].controller == controller && channels[i].holder == OWN)
			return true;
	return false;
}

static bool is_shared(const struct controller *controller)
{
	for (unsigned int i = 0; i < CHANNELS; i++)
		if (channels[i].controller == controller && channels[i].holder != NOBODY)
			return !is_private(controller);
	return false;
}

/* The first of a channel in a state. */
static struct desc *first_in(const struct channel *ch, enum state state)
{
	struct desc *first = NULL;

	for (unsigned int i = 0; i < DESCS; i++)
		if (descs[i].ch == ch && descs[i].state == state &&
		    (!first || descs[i].nr < first->nr))
			first = &descs[i];
	return first;
}

static void is_freed(struct desc *d)
{
	if (d->unmap) {
		MUST(d->unmap->refs == 1);
		dmaengine_unmap_put(d->unmap);
	}
	*d = (struct desc){ .state = NONE };
}

/* Freed, or the client's again. */
static void is_over(struct desc *d)
{
	if (!d->is_kept) {
		is_freed(d);
		return;
	}
	MUST(d->tx->cookie == 0 && !d->tx->unmap);
	d->state = PREPARED;
}

static void end_called(struct channel *ch)
{
	if (ch->called && ch->called->state == CALLED)
		is_over(ch->called);
	ch->called = NULL;
}

static void start_next(struct channel *ch)
{
	struct desc *d = first_in(ch, ISSUED);

	if (d && !first_in(ch, RUNNING))
		d->state = RUNNING;
}

static void some_call(struct desc *own);

/* A callback has come: was it the next one? */
static void called(struct desc *d, const struct dmaengine_result *result)
{
	struct channel *ch = d->ch;
	struct desc *other;

	end_called(ch);
	while ((other = first_in(ch, DONE)) && other != d) {
		MUST(!other->how);
		is_over(other);
	}
	if (d->state == RUNNING) {
		MUST(ch->period == d);
		ch->period = NULL;
	} else {
		MUST(d->state == DONE && d->tx->cookie == 0);
		MUST(!d->unmap || d->unmap->refs == 1);
		if (result)
			MUST(result->result == d->result.result &&
			     result->residue == d->result.residue);
		d->state = CALLED;
		ch->called = d;
	}
	if (depth < 2) {
		depth++;
		for (unsigned int nr = below(4); nr; nr--)
			some_call(d->ch ? d : NULL);
		depth--;
	}
}

static void callback(void *param)
{
	struct desc *d = param;

	MUST(d->how == 1);
	called(d, NULL);
}

static void callback_result(void *param, const struct dmaengine_result *result)
{
	struct desc *d = param;

	MUST(d->how & 2);
	called(d, result);
}

/* Let all callbacks come. */
static void settle(void)
{
	local_irq_restore(irqs);
	for (unsigned int i = 0; i < CHANNELS; i++)
		while (channels[i].controller->is_there &&
		       __atomic_load_n(&engine_chan(channels[i].chan)->vc.task.state,
				       __ATOMIC_ACQUIRE))
			usleep_range(1, 1);
	for (unsigned int i = 0; i < CHANNELS; i++) {
		struct desc *d;

		end_called(&channels[i]);
		MUST(!channels[i].period || !channels[i].period->how);
		channels[i].period = NULL;
		while ((d = first_in(&channels[i], DONE))) {
			MUST(!d->how);
			is_over(d);
		}
	}
}

static void unsettle(void)
{
	local_irq_save(irqs);
}

static void terminated(struct channel *ch)
{
	for (unsigned int i = 0; i < DESCS; i++) {
		struct desc *d = &descs[i];

		if (d->ch != ch || d->state < SUBMITTED || d->state > DONE)
			continue;
		d->was_done = d->state == DONE;
		d->state = TERMINATED;
	}
	ch->period = NULL;
}

static void synchronized(struct channel *ch)
{
	struct desc *d;

	while ((d = first_in(ch, TERMINATED)))
		is_over(d);
}

static void all_freed(struct channel *ch)
{
	for (unsigned int i = 0; i < DESCS; i++)
		if (descs[i].ch == ch && descs[i].state != NONE)
			is_freed(&descs[i]);
	ch->period = ch->called = NULL;
}

#endif
