// SPDX-License-Identifier: BSD-2-Clause
/* Mistakes with the order of accesses to coherent memory, on the engine of engine.h: see corpus.h. */
#include <pthread.h>
#include <string.h>

#include <berth/dma-mapping.h>
#include <berth/dmapool.h>
#include <berth/interrupt.h>
#include <berth/io.h>
#include <berth/completion.h>
#include <berth/slab.h>
#include <berth/timer.h>

#include "check/corpus.h"
#include "check/engine.h"

#define RING_SIZE 4096u
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))

/* A ring, and behind its descriptors the completions. */
struct ring {
	volatile struct engine_desc desc[ENGINE_DESCRIPTORS];
	volatile struct engine_completion done[ENGINE_DESCRIPTORS];
};

static dma_addr_t ring_dma;

/* Give the engine a ring, and time to look at it. */
static struct ring *start(const struct rig *rig, uint32_t mode)
{
	struct ring *ring = dma_alloc_coherent(rig->engine, RING_SIZE, &ring_dma, GFP_KERNEL);

	if (!ring)
		return NULL;
	writel((uint32_t)ring_dma, rig->regs + ENGINE_RING);
	writel((uint32_t)(ring_dma + offsetof(struct ring, done)), rig->regs + ENGINE_COMPLETIONS);
	writel(mode, rig->regs + ENGINE_MODE);
	udelay(5);
	return ring;
}

static void stop(const struct rig *rig, struct ring *ring)
{
	writel(0, rig->regs + ENGINE_MODE);
	dma_free_coherent(rig->engine, RING_SIZE, ring, ring_dma);
}

/* Until the engine has given it back; what it says may be read. */
static void wait_for(volatile struct engine_desc *desc)
{
	for (unsigned int i = 0; desc->own && i < 1000; i++)
		udelay(1);
	dma_rmb();
}

static void wait_for_number(const struct rig *rig, uint32_t nr)
{
	for (unsigned int i = 0; readl(rig->regs + ENGINE_DONE) != nr && i < 1000; i++)
		udelay(1);
}

/* Stores. */

static void no_wmb_before_own(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, ENGINE_POLL);

	if (!ring)
		return;
	for (unsigned int i = 0; i < 3; i++) {
		ring->desc[i].addr = 0x1000;
		ring->desc[i].length = 64 + i;
		if (is_mended)
			dma_wmb();
		ring->desc[i].own = 1; /* BUG unordered-store */
		wait_for(&ring->desc[i]);
		*rig->seen = (unsigned char)ring->desc[i].result;
	}
	stop(rig, ring);
}

static void no_wmb_before_own_whole(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, ENGINE_POLL | ENGINE_WHOLE);

	if (!ring)
		return;
	ring->desc[0].addr = 0x1000;
	ring->desc[0].length = 64;
	if (is_mended)
		dma_wmb();
	ring->desc[0].own = 1; /* BUG unordered-store */
	wait_for(&ring->desc[0]);
	stop(rig, ring);
}

/* The own word is copied with the rest. */
static void copied_with_own(const struct rig *rig, bool is_mended)
{
	struct engine_desc desc = { .addr = 0x2000, .length = 64, .own = !is_mended };
	struct ring *ring = start(rig, ENGINE_POLL);

	if (!ring)
		return;
	*(struct engine_desc *)&ring->desc[0] = desc; /* BUG unordered-store */
	if (is_mended) {
		dma_wmb();
		ring->desc[0].own = 1;
	}
	wait_for(&ring->desc[0]);
	stop(rig, ring);
}

/* The engine is busy with what it was given before: it needs no doorbell to find the next one. */
static void busy_engine(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, ENGINE_POLL);

	if (!ring)
		return;
	ring->desc[0].length = 64;
	dma_wmb();
	ring->desc[0].own = 1;
	writel(1, rig->regs + ENGINE_KICK);
	udelay(5);
	ring->desc[1].length = 64;
	if (is_mended)
		dma_wmb();
	ring->desc[1].own = 1; /* BUG unordered-store */
	udelay(5);
	writel(1, rig->regs + ENGINE_KICK);
	wait_for(&ring->desc[1]);
	stop(rig, ring);
}

/* Barriers of another thread's order nothing of this one's. */
static void *order_much(void *stop_word)
{
	volatile unsigned char *word = stop_word;

	while (!__atomic_load_n(word, __ATOMIC_ACQUIRE)) {
		dma_wmb();
		wmb();
		mb();
	}
	return NULL;
}

static void busy_neighbour(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, ENGINE_POLL);
	unsigned char is_over = 0;
	pthread_t thread;

	if (!ring || pthread_create(&thread, NULL, order_much, &is_over))
		return;
	for (unsigned int i = 0; i < 8; i++) {
		ring->desc[i].addr = 0x1000;
		ring->desc[i].length = 64;
		if (is_mended)
			dma_wmb();
		ring->desc[i].own = 1; /* BUG unordered-store */
		wait_for(&ring->desc[i]);
		udelay(2);
	}
	__atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	stop(rig, ring);
}

/* Blocks of a pool are coherent memory, too. */
static void block_of_a_pool(const struct rig *rig, bool is_mended)
{
	struct dma_pool *pool = dma_pool_create("descriptors", rig->engine, 512, 64, 0);
	dma_addr_t dma = 0;
	volatile struct engine_desc *desc = pool ? dma_pool_zalloc(pool, GFP_KERNEL, &dma) : NULL;

	if (!desc)
		return;
	writel((uint32_t)dma, rig->regs + ENGINE_RING);
	writel(ENGINE_POLL, rig->regs + ENGINE_MODE);
	udelay(5);
	desc->addr = 0x1000;
	desc->length = 64;
	if (is_mended)
		dma_wmb();
	desc->own = 1; /* BUG unordered-store */
	wait_for(desc);
	writel(0, rig->regs + ENGINE_MODE);
	dma_pool_free(pool, (void *)desc, dma);
	dma_pool_destroy(pool);
}

static void relaxed_doorbell(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, ENGINE_TAIL);

	if (!ring)
		return;
	ring->desc[0].addr = 0x1000;
	ring->desc[0].length = 64;
	if (is_mended)
		wmb();
	writel_relaxed(1, rig->regs + ENGINE_KICK); /* BUG unordered-doorbell */
	wait_for_number(rig, 1);
	stop(rig, ring);
}

/* The body is in order, but the engine looks at the own word, and perhaps too early. */
static void relaxed_doorbell_of_own(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, 0);

	if (!ring)
		return;
	ring->desc[0].addr = 0x1000;
	ring->desc[0].length = 64;
	dma_wmb();
	ring->desc[0].own = 1;
	if (is_mended)
		wmb();
	writel_relaxed(1, rig->regs + ENGINE_KICK); /* BUG unordered-doorbell */
	wait_for_number(rig, 1);
	stop(rig, ring);
}

/* Loads. */

static void no_rmb_after_phase(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, ENGINE_TAIL);

	if (!ring)
		return;
	ring->desc[0].length = 64;
	writel(1, rig->regs + ENGINE_KICK);
	for (unsigned int i = 0; ring->done[0].phase != 1 && i < 1000; i++)
		udelay(1);
	if (is_mended)
		dma_rmb();
	*rig->seen = (unsigned char)ring->done[0].result; /* BUG unordered-load */
	stop(rig, ring);
}

/* The device writes all of it at once; the CPU need not read it so. */
static void no_rmb_after_phase_whole(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, ENGINE_TAIL | ENGINE_WHOLE);

	if (!ring)
		return;
	ring->desc[0].length = 64;
	writel(1, rig->regs + ENGINE_KICK);
	for (unsigned int i = 0; ring->done[0].phase != 1 && i < 1000; i++)
		udelay(1);
	if (is_mended)
		rmb();
	*rig->seen = (unsigned char)ring->done[0].result; /* BUG unordered-load */
	stop(rig, ring);
}

static void no_rmb_after_own(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, 0);

	if (!ring)
		return;
	for (unsigned int n = 0; n < 2 * ENGINE_DESCRIPTORS; n++) {
		volatile struct engine_desc *desc = &ring->desc[n % ENGINE_DESCRIPTORS];

		desc->length = n;
		dma_wmb();
		desc->own = 1;
		writel(1, rig->regs + ENGINE_KICK);
		for (unsigned int i = 0; desc->own && i < 1000; i++)
			udelay(1);
		if (is_mended)
			dma_rmb();
		*rig->seen = (unsigned char)desc->result; /* BUG unordered-load */
	}
	stop(rig, ring);
}

/* Devices that are not trusted. */

#define TABLE 64u

/* Have the engine do one descriptor: its result is @result. */
static volatile struct engine_completion *one_result(const struct rig *rig, struct ring *ring,
						     uint32_t result)
{
	ring->desc[0].addr = result;
	ring->desc[0].length = 0;
	writel(1, rig->regs + ENGINE_KICK);
	wait_for_number(rig, 1);
	return &ring->done[0];
}

static void fetched_twice(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, ENGINE_TAIL);
	unsigned char *table = kzalloc(TABLE, GFP_KERNEL);
	volatile struct engine_completion *done = one_result(rig, ring, 7);

	if (is_mended) {
		const uint32_t n = done->result;

		if (n < TABLE)
			*rig->seen = table[n];
	} else if (done->result < TABLE) {
		*rig->seen = table[done->result]; /* BUG double-fetch */
	}
	kfree(table);
	stop(rig, ring);
}

static void index_of_the_device(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, ENGINE_TAIL);
	uint64_t *table = kcalloc(TABLE, sizeof(*table), GFP_KERNEL);
	volatile struct engine_completion *done = one_result(rig, ring, 7);
	const uint32_t n = done->result;

	if (!is_mended || n < TABLE)
		*rig->seen = (unsigned char)table[n]; /* BUG wild-access */
	kfree(table);
	stop(rig, ring);
}

/* Where the device is in the ring it tells by bus address. */
static void address_of_the_device(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, ENGINE_TAIL);
	volatile struct engine_completion *done =
		one_result(rig, ring, (uint32_t)ring_dma + 2 * sizeof(struct engine_desc));
	const uint32_t offset = done->result - (uint32_t)ring_dma;
	const char *at = (const char *)ring + offset;

	if (!is_mended ||
	    (offset < offsetof(struct ring, done) && offset % sizeof(struct engine_desc) == 0))
		*rig->seen = *(volatile const unsigned char *)at; /* BUG wild-access */
	stop(rig, ring);
}

struct block {
	struct block *next;
	uint32_t data[14];
};

/* Which blocks are free is written in them, where a device can write. */
static void free_list_in_blocks(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, ENGINE_TAIL);
	volatile struct block *blocks = (volatile struct block *)(void *)ring, *block = blocks;
	unsigned char next[TABLE];

	for (unsigned int i = 0; i < 8; i++) {
		next[i] = (unsigned char)(i + 1);
		if (!is_mended)
			blocks[i].next = (struct block *)(void *)&blocks[i + 1];
	}
	for (unsigned int i = 0; i < 4; i++) {
		block = is_mended ? &blocks[next[i]] : block->next;
		block->data[0] = i; /* BUG device-pointer */
	}
	stop(rig, ring);
}

/* Legal. */

static void doorbell_orders(const struct rig *rig, bool is_mended)
{
	const uint32_t modes[] = { 0, ENGINE_WHOLE };

	(void)is_mended;
	for (unsigned int m = 0; m < 2; m++) {
		struct ring *ring = start(rig, modes[m]);

		for (unsigned int n = 0; ring && n < 3 * ENGINE_DESCRIPTORS; n++) {
			volatile struct engine_desc *desc = &ring->desc[n % ENGINE_DESCRIPTORS];

			/* It looks at it only when it is told. */
			desc->addr = 0x1000;
			desc->length = n;
			desc->own = 1;
			writel(1, rig->regs + ENGINE_KICK);
			wait_for(desc);
			*rig->seen = (unsigned char)desc->result;
			udelay(3);
		}
		if (ring)
			stop(rig, ring);
	}
}

/* Many are filled; who has them is said afterwards, from the last or from the first. */
static void batches(const struct rig *rig, uint32_t mode, bool from_last)
{
	struct ring *ring = start(rig, mode);
	unsigned int nr = ENGINE_DESCRIPTORS / 2;

	if (!ring)
		return;
	for (unsigned int i = 0; i < nr; i++) {
		ring->desc[i].addr = 0x1000;
		ring->desc[i].length = i;
	}
	dma_wmb();
	for (unsigned int i = 0; i < nr; i++)
		ring->desc[from_last ? nr - 1 - i : i].own = 1;
	for (unsigned int i = 0; i < nr; i++) {
		wait_for(&ring->desc[i]);
		*rig->seen = (unsigned char)ring->desc[i].result;
	}
	stop(rig, ring);
}

static void legal_batches(const struct rig *rig, bool is_mended)
{
	(void)is_mended;
	batches(rig, ENGINE_POLL, false);
	batches(rig, ENGINE_POLL, true);
	batches(rig, ENGINE_POLL | ENGINE_WHOLE, false);
	batches(rig, ENGINE_POLL | ENGINE_WHOLE, true);
}

/* The first one is given away last: those behind it need no order of their own. */
static void first_one_last(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, ENGINE_POLL);

	(void)is_mended;
	if (!ring)
		return;
	for (unsigned int i = 3; i; i--) {
		ring->desc[i].addr = 0x1000;
		ring->desc[i].length = i;
		ring->desc[i].own = 1;
	}
	ring->desc[0].length = 7;
	udelay(3);
	dma_wmb();
	ring->desc[0].own = 1;
	for (unsigned int i = 0; i < 4; i++)
		wait_for(&ring->desc[i]);
	stop(rig, ring);
}

/* What a device reads as it comes, such as a picture, is in no order. */
static void scanned_picture(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, ENGINE_SCAN);
	volatile uint64_t *pixels = (volatile uint64_t *)(void *)ring;

	(void)is_mended;
	if (!ring)
		return;
	for (unsigned int i = 0; i < 4000; i++) {
		pixels[i * 37 % 512] = i;
		if (i % 3 == 0)
			udelay(1);
		if (i % 100 == 0)
			(void)readl(rig->regs + ENGINE_DONE);
	}
	stop(rig, ring);
}

/* A register that has nothing to do with descriptors needs no order. */
static void relaxed_acknowledge(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, ENGINE_POLL);

	(void)is_mended;
	if (!ring)
		return;
	for (unsigned int i = 0; i < 8; i++) {
		ring->desc[i].addr = 0x1000;
		ring->desc[i].length = 64;
		dma_wmb();
		ring->desc[i].own = 1;
		writel_relaxed(0, rig->regs + ENGINE_ACK);
		ring->desc[i + 1].addr = 0x1000;
		wait_for(&ring->desc[i]);
	}
	stop(rig, ring);
}

static void relaxed_after_wmb(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, ENGINE_TAIL);

	(void)is_mended;
	if (!ring)
		return;
	for (unsigned int i = 1; i <= 2 * ENGINE_DESCRIPTORS; i++) {
		ring->desc[(i - 1) % ENGINE_DESCRIPTORS].length = i;
		wmb();
		writel_relaxed(i, rig->regs + ENGINE_KICK);
		writel_relaxed(0, rig->regs + ENGINE_ACK);
		wait_for_number(rig, i);
		*rig->seen = (unsigned char)ring->done[(i - 1) % ENGINE_DESCRIPTORS].result;
	}
	stop(rig, ring);
}

/* Registers are written one by one, and the last one in order. */
static void relaxed_then_ordered(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, ENGINE_TAIL);

	(void)is_mended;
	if (!ring)
		return;
	ring->desc[0].length = 64;
	writel_relaxed((uint32_t)ring_dma, rig->regs + ENGINE_RING);
	writel_relaxed(0, rig->regs + ENGINE_ACK);
	writel(1, rig->regs + ENGINE_KICK);
	wait_for_number(rig, 1);
	stop(rig, ring);
}

/* A register says that it is done: readl() orders what is read afterwards. */
static void asked_the_register(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, ENGINE_TAIL);

	(void)is_mended;
	if (!ring)
		return;
	for (unsigned int i = 0; i < ENGINE_DESCRIPTORS; i++) {
		if (ring->done[i].phase == 1)
			break;
		ring->desc[i].length = i;
		writel(i + 1, rig->regs + ENGINE_KICK);
		wait_for_number(rig, i + 1);
		if (ring->done[i].phase == 1)
			*rig->seen = (unsigned char)ring->done[i].result;
	}
	stop(rig, ring);
}

/* Numbers that a device counts are read in no order. */
static void counters(const struct rig *rig, bool is_mended)
{
	struct ring *ring = start(rig, ENGINE_TAIL | ENGINE_WHOLE);

	(void)is_mended;
	if (!ring)
		return;
	for (unsigned int i = 1; i <= 8; i++) {
		*rig->seen = (unsigned char)ring->done[0].phase;
		*rig->seen = (unsigned char)ring->done[0].index;
		ring->desc[i - 1].length = i;
		writel(i, rig->regs + ENGINE_KICK);
		udelay(4);
	}
	stop(rig, ring);
}

struct handled {
	const struct rig *rig;
	struct ring *ring;
	struct completion done;
	uint32_t result;
};

static irqreturn_t handle(int irq, void *data)
{
	struct handled *handled = data;

	(void)irq;
	writel_relaxed(0, handled->rig->regs + ENGINE_ACK);
	if (handled->ring->done[0].phase != 1)
		return IRQ_NONE;
	handled->result = handled->ring->done[0].result;
	complete(&handled->done);
	return IRQ_HANDLED;
}

static void interrupt_orders(const struct rig *rig, bool is_mended)
{
	struct handled handled = { .rig = rig, .ring = start(rig, ENGINE_TAIL | ENGINE_IRQ) };

	(void)is_mended;
	if (!handled.ring)
		return;
	init_completion(&handled.done);
	if (!request_irq(rig->irq, handle, IRQF_TRIGGER_HIGH, "engine", &handled)) {
		*rig->seen = (unsigned char)handled.ring->done[0].phase;
		handled.ring->desc[0].length = 9;
		writel(1, rig->regs + ENGINE_KICK);
		wait_for_completion(&handled.done);
		*rig->seen = (unsigned char)handled.ring->done[0].result;
		free_irq(rig->irq, &handled);
	}
	stop(rig, handled.ring);
}

/* One thread submits, another completes; what they share is under a lock. */
struct pair {
	const struct rig *rig;
	struct ring *ring;
	spinlock_t lock;
	uint32_t submitted, completed;
};

#define ROUNDS 64u

static void *submit(void *data)
{
	struct pair *pair = data;

	for (uint32_t n = 0; n < ROUNDS;) {
		volatile struct engine_desc *desc = &pair->ring->desc[n % ENGINE_DESCRIPTORS];
		unsigned long flags;

		spin_lock_irqsave(&pair->lock, flags);
		if (pair->submitted - pair->completed < ENGINE_DESCRIPTORS) {
			desc->addr = 0x1000;
			desc->length = n++;
			dma_wmb();
			desc->own = 1;
			pair->submitted++;
			writel(1, pair->rig->regs + ENGINE_KICK);
		}
		spin_unlock_irqrestore(&pair->lock, flags);
		udelay(1);
	}
	return NULL;
}

static void *finish(void *data)
{
	struct pair *pair = data;

	for (uint32_t n = 0; n < ROUNDS;) {
		volatile struct engine_desc *desc = &pair->ring->desc[n % ENGINE_DESCRIPTORS];
		unsigned long flags;

		spin_lock_irqsave(&pair->lock, flags);
		if (n != pair->submitted && !desc->own) {
			dma_rmb();
			*pair->rig->seen = (unsigned char)desc->result;
			pair->completed = ++n;
		}
		spin_unlock_irqrestore(&pair->lock, flags);
		udelay(1);
	}
	return NULL;
}

static void two_threads(const struct rig *rig, bool is_mended)
{
	struct pair pair = { .rig = rig, .ring = start(rig, ENGINE_POLL) };
	pthread_t threads[2];

	(void)is_mended;
	if (!pair.ring)
		return;
	pthread_create(&threads[0], NULL, submit, &pair);
	pthread_create(&threads[1], NULL, finish, &pair);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	stop(rig, pair.ring);
}

const struct mistake corpus_order[] = {
	MISTAKE(no_wmb_before_own, 23),
	MISTAKE(no_wmb_before_own_whole, 23),
	MISTAKE_ON(copied_with_own, 23, UNSEEN_COPY, 0),
	MISTAKE(busy_engine, 23),
	MISTAKE(busy_neighbour, 23),
	MISTAKE(block_of_a_pool, 23),
	MISTAKE(relaxed_doorbell, 23),
	MISTAKE(relaxed_doorbell_of_own, 23),
	MISTAKE(no_rmb_after_phase, 22),
	MISTAKE(no_rmb_after_phase_whole, 22),
	MISTAKE(no_rmb_after_own, 48),
	MISTAKE_ON(fetched_twice, 25, MADE_HOSTILE | BY_CHANCE, 0),
	MISTAKE_ON(index_of_the_device, 26, MADE_HOSTILE | BY_CHANCE, 0),
	MISTAKE_ON(address_of_the_device, 26, MADE_HOSTILE | BY_CHANCE, 0),
	MISTAKE_ON(free_list_in_blocks, 30, MADE_HOSTILE, 0),
	LEGAL(doorbell_orders),
	LEGAL(legal_batches),
	LEGAL(first_one_last),
	LEGAL(scanned_picture),
	LEGAL(relaxed_acknowledge),
	LEGAL(relaxed_after_wmb),
	LEGAL(relaxed_then_ordered),
	LEGAL(asked_the_register),
	LEGAL(counters),
	LEGAL(interrupt_orders),
	LEGAL(two_threads),
	CORPUS_END,
};
