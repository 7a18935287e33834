// SPDX-License-Identifier: BSD-2-Clause
/* Lists: chains of odd sizes moved by the PDMA, and what it does not do. */
#include "pdma.h"

#include "dma_chain.h"

#define LONGEST 700u
#define PIECE 256u

static struct dma_chain chain;

static const unsigned int lengths[] = { 1, 2, 3, 7, 64, 255, 1000, CHAIN_MAX };

static void run_chains(const char *engine, unsigned int max)
{
	struct dma_chan *chan = must_request(engine);

	for (unsigned int i = 0; i < ARRAY_SIZE(lengths) && lengths[i] <= max; i++) {
		assert_true(dma_chain_make(&chain, lengths[i], LONGEST, 1, any));
		assert_int_equal(dma_chain_run(&chain, chan, dma_chain_copies), 0);
		dma_chain_free(&chain);
		assert_true(dma_chain_make(&chain, lengths[i], LONGEST, 1, any));
		assert_int_equal(dma_chain_run(&chain, chan, dma_chain_interleaved), 0);
		dma_chain_free(&chain);
	}
	dma_release_channel(chan);
}

static void chains_equal_memcpy(void **state)
{
	const struct berth_model_config config = { .cache = BERTH_MODEL_CACHE_ADVERSARIAL };

	(void)state;
	pdma_boot(&config);
	for (unsigned int i = 0; i < ARRAY_SIZE(engines); i++)
		run_chains(engines[i], i ? 1000 : CHAIN_MAX);
	must_stop();
}

/* And it would show if they did not: a run is left out, is short, or is a byte too long. */
static void chains_that_do_not(void **state)
{
	struct dma_chan *chan;

	(void)state;
	pdma_boot(NULL);
	chan = must_request(PLAIN);
	for (unsigned int how = 0; how < 3; how++) {
		assert_true(dma_chain_make(&chain, 64, LONGEST, 1, any));
		/* A gap behind it, to write into. */
		memmove(chain.wanted + chain.dst_at[63], chain.src + chain.src_at[63],
			chain.len[63]);
		if (how == 0)
			chain.nr--;
		else
			chain.len[63] += how == 1 ? -1ul : 1;
		assert_int_equal(dma_chain_run(&chain, chan, dma_chain_copies), -EILSEQ);
		dma_chain_free(&chain);
	}
	dma_release_channel(chan);
	must_stop();
}

/* Frames of runs that are repeated, with gaps at one side, at both, and nowhere. */
static void frames(void **state)
{
	static const struct {
		bool src_sgl, dst_sgl;
	} gaps[] = { { true, true }, { true, false }, { false, true }, { false, false } };
	static const struct data_chunk chunks[] = {
		{ .size = 13, .icg = 7 },
		{ .size = 50, .src_icg = 3, .dst_icg = 11 },
	};
	struct dma_interleaved_template *xt = make_template(5, chunks, ARRAY_SIZE(chunks));
	struct dma_chan *chan;
	struct device *dev;
	uint8_t *src, *dst, wanted[1024];

	(void)state;
	pdma_boot(NULL);
	chan = must_request(SHIFTED);
	dev = dmaengine_get_dma_device(chan);
	src = kmalloc(sizeof(wanted), GFP_KERNEL);
	dst = kmalloc(sizeof(wanted), GFP_KERNEL);
	for (unsigned int i = 0; i < ARRAY_SIZE(gaps); i++) {
		size_t from = 0, to = 0;
		int err;

		fill_random(src, sizeof(wanted));
		memset(dst, 0x11, sizeof(wanted));
		memset(wanted, 0x11, sizeof(wanted));
		xt->src_sgl = gaps[i].src_sgl;
		xt->dst_sgl = gaps[i].dst_sgl;
		for (unsigned int run = 0; run < 10; run++) {
			const struct data_chunk *chunk = &chunks[run % 2];

			memcpy(wanted + to, src + from, chunk->size);
			from += chunk->size + (gaps[i].src_sgl ? (run % 2 ? 3 : 7) : 0);
			to += chunk->size + (gaps[i].dst_sgl ? (run % 2 ? 11 : 7) : 0);
		}
		xt->src_start = must_map(dev, src, sizeof(wanted), DMA_TO_DEVICE);
		xt->dst_start = must_map(dev, dst, sizeof(wanted), DMA_BIDIRECTIONAL);
		err = berth_dma_wait(
			chan, dmaengine_submit(dmaengine_prep_interleaved_dma(chan, xt, 0)), 1000);
		dma_unmap_single(dev, xt->dst_start, sizeof(wanted), DMA_BIDIRECTIONAL);
		dma_unmap_single(dev, xt->src_start, sizeof(wanted), DMA_TO_DEVICE);
		assert_int_equal(err, 0);
		assert_memory_equal(dst, wanted, sizeof(wanted));
	}
	kfree(src);
	kfree(dst);
	free(xt);
	dma_release_channel(chan);
	must_stop();
}

/* A list between memory and the FIFO: pieces of a buffer, in any length that is a multiple of 8. */
struct list {
	unsigned int nr, order;
	size_t bytes, room;
	uint8_t *memory;
	struct scatterlist *sg;
	int mapped;
};

static void make_list(struct list *list, unsigned int nr)
{
	size_t at = 0;

	*list = (struct list){ .nr = nr, .order = get_order(nr * (PIECE + 64ul)) };
	list->memory = (uint8_t *)__get_free_pages(GFP_KERNEL, list->order);
	list->sg = kvmalloc(nr * sizeof(*list->sg), GFP_KERNEL);
	assert_true(list->memory && list->sg);
	sg_init_table(list->sg, nr);
	for (unsigned int i = 0; i < nr; i++) {
		unsigned int len = 8 * (1 + any(PIECE / 8));

		at += 8 * any(8);
		sg_set_buf(&list->sg[i], list->memory + at, len);
		at += len;
		list->bytes += len;
	}
}

static void free_list(struct list *list)
{
	free_pages((unsigned long)list->memory, list->order);
	kvfree(list->sg);
}

/* Each piece in its turn: written with the sequence, or compared with it. */
static bool each_piece(struct list *list, uint64_t first, bool is_write)
{
	bool is_right = true;

	for (unsigned int i = 0; i < list->nr; i++) {
		if (is_write)
			fill_sequence(sg_virt(&list->sg[i]), first, list->sg[i].length);
		else if (!is_sequence(sg_virt(&list->sg[i]), first, list->sg[i].length))
			is_right = false;
		first += list->sg[i].length;
	}
	return is_right;
}

static int play(struct dma_chan *chan, struct list *list, bool is_capture)
{
	enum dma_data_direction dir = is_capture ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
	struct device *dev = dmaengine_get_dma_device(chan);
	unsigned int mapped = dma_map_sg(dev, list->sg, (int)list->nr, dir);
	int err = -ENOMEM;
	struct dma_async_tx_descriptor *tx;

	assert_true(mapped);
	tx = dmaengine_prep_slave_sg(chan, list->sg, mapped,
				     is_capture ? DMA_DEV_TO_MEM : DMA_MEM_TO_DEV, DMA_CTRL_ACK);
	if (tx)
		err = berth_dma_wait(chan, dmaengine_submit(tx), 10000);
	dma_unmap_sg(dev, list->sg, (int)list->nr, dir);
	return err;
}

static void between_memory_and_a_fifo(void **state)
{
	const struct berth_model_config config = { .cache = BERTH_MODEL_CACHE_ADVERSARIAL };

	(void)state;
	for (unsigned int e = 0; e < ARRAY_SIZE(engines); e++) {
		struct dma_chan *chan;

		pdma_boot(&config);
		chan = must_request(engines[e]);
		must_configure(chan);
		for (unsigned int i = 0; i < ARRAY_SIZE(lengths); i++) {
			uint64_t consumed = fifo_stats().consumed, produced = fifo_stats().produced;
			struct list list;

			make_list(&list, lengths[i]);
			each_piece(&list, consumed, true);
			assert_int_equal(play(chan, &list, false), 0);
			assert_int_equal(fifo_stats().consumed, consumed + list.bytes);
			assert_int_equal(fifo_stats().breaks, 0);
			assert_int_equal(play(chan, &list, true), 0);
			assert_int_equal(fifo_stats().produced, produced + list.bytes);
			assert_true(each_piece(&list, produced, false));
			free_list(&list);
		}
		dma_release_channel(chan);
		must_stop();
	}
}

/* What the FIFO samples it plays again: neither side is memory. */
static void from_device_to_device(void **state)
{
	(void)state;
	pdma_boot(NULL);
	for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
		struct dma_chan *chan = must_request(engines[i]);
		struct device *dev = dmaengine_get_dma_device(chan);
		uint64_t before = fifo_stats().consumed;
		dma_addr_t at =
			dma_map_resource(dev, FIFO_WINDOW, FIFO_WINDOW_BYTES, DMA_BIDIRECTIONAL, 0);

		assert_false(dma_mapping_error(dev, at));
		for (size_t len = 8; len <= FIFO_WINDOW_BYTES; len *= 2)
			assert_int_equal(dma_chan_copy(chan, at, at, len), 0);
		assert_int_equal(fifo_stats().consumed, before + 2 * FIFO_WINDOW_BYTES - 8);
		assert_int_equal(fifo_stats().produced, fifo_stats().consumed);
		assert_int_equal(fifo_stats().breaks, 0);
		dma_unmap_resource(dev, at, FIFO_WINDOW_BYTES, DMA_BIDIRECTIONAL, 0);
		dma_release_channel(chan);
	}
	must_stop();
}

/* Wherever the window ends, and however wide its accesses are. */
static void windows(void **state)
{
	struct dma_slave_config config = { .dst_addr = FIFO_WINDOW };
	struct dma_chan *chan;

	(void)state;
	pdma_boot(NULL);
	chan = must_request(BEHIND);
	for (unsigned int width = 1; width <= 16; width *= 2) {
		for (unsigned int window = 1; window <= 1000; window += 333) {
			struct list list;

			config.dst_addr_width = (enum dma_slave_buswidth)width;
			config.dst_port_window_size = window * width > FIFO_WINDOW_BYTES ? 256
											 : window;
			assert_int_equal(dmaengine_slave_config(chan, &config), 0);
			make_list(&list, 10);
			for (unsigned int i = 0; i < list.nr; i++) {
				list.bytes -= list.sg[i].length;
				list.sg[i].length = (list.sg[i].length + 15) & ~15u;
				list.bytes += list.sg[i].length;
			}
			/* They overlap where they were made longer: once is enough. */
			for (unsigned int i = 0; i < list.nr; i++) {
				struct list one = { .nr = 1, .sg = &list.sg[i] };

				each_piece(&one, fifo_stats().consumed, true);
				sg_mark_end(one.sg);
				assert_int_equal(play(chan, &one, false), 0);
			}
			assert_int_equal(fifo_stats().breaks, 0);
			free_list(&list);
		}
	}
	dma_release_channel(chan);
	must_stop();
}

static void refused(struct dma_async_tx_descriptor *tx, enum berth_reason reason)
{
	assert_null(tx);
	assert_reason(reason);
	assert_true(berth_last_error()->code < 0);
}

/* Each with its reason. */
static void what_it_cannot_do(void **state)
{
	struct dma_slave_config config = {
		.dst_addr = FIFO_WINDOW,
		.dst_addr_width = DMA_SLAVE_BUSWIDTH_4_BYTES,
	};
	static const struct data_chunk chunk = { .size = 64 };
	struct dma_interleaved_template *xt = make_template(1, &chunk, 1);
	const dma_addr_t at = 0x80000000;
	struct dma_slave_caps caps;
	struct dma_chan *chan;

	(void)state;
	pdma_boot(NULL);
	chan = must_request(PLAIN);
	refused(dmaengine_prep_dma_memset(chan, at, 0, 64, 0), BERTH_REASON_CAPABILITY);
	xt->numf = 5462;
	xt->sgl[0].icg = 1;
	refused(dmaengine_prep_interleaved_dma(chan, xt, 0), BERTH_REASON_TOO_LARGE);
	xt->numf = SIZE_MAX;
	refused(dmaengine_prep_interleaved_dma(chan, xt, 0), BERTH_REASON_TOO_LARGE);
	xt->numf = 5461;
	assert_non_null(dmaengine_prep_interleaved_dma(chan, xt, 0));
	xt->dst_inc = false;
	refused(dmaengine_prep_interleaved_dma(chan, xt, 0), BERTH_REASON_CAPABILITY);
	free(xt);
	refused(dmaengine_prep_slave_single(chan, at, 64, DMA_MEM_TO_DEV, 0),
		BERTH_REASON_ARGUMENT); /* no width was told */

	/* An address that stays. */
	assert_int_equal(dmaengine_slave_config(chan, &config), 0);
	refused(dmaengine_prep_slave_single(chan, at, 64, DMA_MEM_TO_DEV, 0),
		BERTH_REASON_CAPABILITY);
	refused(dmaengine_prep_dma_cyclic(chan, at, 64, 32, DMA_MEM_TO_DEV, 0),
		BERTH_REASON_CAPABILITY);
	assert_non_null(dmaengine_prep_slave_single(chan, at, 4, DMA_MEM_TO_DEV, 0));
	refused(dmaengine_prep_slave_single(chan, at, 3, DMA_MEM_TO_DEV, 0),
		BERTH_REASON_ALIGNMENT);

	config.dst_port_window_size = 1024;
	assert_int_equal(dmaengine_slave_config(chan, &config), 0);
	refused(dmaengine_prep_slave_single(chan, at, 64, DMA_DEV_TO_DEV, 0),
		BERTH_REASON_CAPABILITY);
	refused(dmaengine_prep_dma_cyclic(chan, at, 60, 30, DMA_MEM_TO_DEV, 0),
		BERTH_REASON_ALIGNMENT);
	config.dst_addr++;
	assert_int_equal(dmaengine_slave_config(chan, &config), 0);
	refused(dmaengine_prep_slave_single(chan, at, 64, DMA_MEM_TO_DEV, 0),
		BERTH_REASON_ALIGNMENT);
	config.device_fc = true;
	assert_int_equal(dmaengine_slave_config(chan, &config), -EINVAL);
	assert_reason(BERTH_REASON_CAPABILITY);

	assert_int_equal(dma_get_slave_caps(chan, &caps), 0);
	assert_true(caps.cmd_pause && caps.cmd_resume && caps.cmd_terminate);
	dma_release_channel(chan);

	/* A bus that leads to a part of the window only. */
	chan = must_request(SHIFTED);
	config.device_fc = false;
	config.dst_addr = FIFO_WINDOW;
	config.dst_port_window_size = 1025;
	assert_int_equal(dmaengine_slave_config(chan, &config), 0);
	refused(dmaengine_prep_slave_single(chan, 0, 64, DMA_MEM_TO_DEV, 0), BERTH_REASON_WINDOW);
	dma_release_channel(chan);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains_equal_memcpy),
		cmocka_unit_test(chains_that_do_not),
		cmocka_unit_test(frames),
		cmocka_unit_test(between_memory_and_a_fifo),
		cmocka_unit_test(from_device_to_device),
		cmocka_unit_test(windows),
		cmocka_unit_test(what_it_cannot_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
