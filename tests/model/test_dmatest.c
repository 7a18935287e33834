// SPDX-License-Identifier: BSD-2-Clause
/*
 * dmatest can fail: the software engine, bent in one place at a time, is found out, and each time for what
 * it has done.
 */
#include "software.h"

#include <berth/dmaengine-driver.h>

static struct dma_chan *chan;
/* The engine as it is. */
static struct dma_device straight;
static struct berth_dmatest test;
static struct berth_dmatest_failure failure;
static unsigned int nr_failures;

/* What the bent one was asked for, and what it is to do. */
static uint8_t *dst, *src;
static size_t length;
static struct dma_async_tx_descriptor *asked;
static const struct dma_interleaved_template *pattern;
static enum sum_check_flags *sum_check;
static void (*bend)(void);

static int start(void **state)
{
	(void)state;
	must_start(tree_minimal, NULL, "dma.software=1 swiotlb=noforce");
	chan = must_request();
	straight = *chan->device;
	nr_failures = 0;
	return 0;
}

static int stop(void **state)
{
	(void)state;
	if (chan)
		dma_release_channel(chan);
	chan = NULL;
	must_stop();
	return 0;
}

static void note(void *data, const struct berth_dmatest_failure *f)
{
	(void)data;
	failure = *f;
	nr_failures++;
}

static void init(enum berth_dmatest_kind kind)
{
	const struct berth_dmatest_params params = {
		.buffer_size = 4096,
		.kinds = 1u << kind,
		.report = note,
		.seed = 11,
	};

	assert_int_equal(berth_dmatest_init(&test, chan, &params), 0);
}

static struct dma_async_tx_descriptor *ask(dma_addr_t to, dma_addr_t from, size_t len,
					   struct dma_async_tx_descriptor *tx)
{
	dst = phys_to_virt(to);
	src = phys_to_virt(from);
	length = len;
	asked = tx;
	return tx;
}

static struct dma_async_tx_descriptor *prep_memcpy(struct dma_chan *c, dma_addr_t to,
						   dma_addr_t from, size_t len, unsigned long flags)
{
	return ask(to, from, len, straight.device_prep_dma_memcpy(c, to, from, len, flags));
}

static struct dma_async_tx_descriptor *prep_xor_val(struct dma_chan *c, dma_addr_t *from,
						    unsigned int nr, size_t len,
						    enum sum_check_flags *result,
						    unsigned long flags)
{
	sum_check = result;
	return ask(0, from[0], len,
		   straight.device_prep_dma_xor_val(c, from, nr, len, result, flags));
}

static struct dma_async_tx_descriptor *
prep_interleaved(struct dma_chan *c, const struct dma_interleaved_template *xt, unsigned long flags)
{
	pattern = xt;
	return ask(xt->dst_start, xt->src_start, 0,
		   straight.device_prep_interleaved_dma(c, xt, flags));
}

/* All is done in the straight one's call; it is looked at when this one has returned. */
static void issue(struct dma_chan *c)
{
	straight.device_issue_pending(c);
	bend();
}

static void bend_it(void (*how)(void))
{
	bend = how;
	chan->device->device_prep_dma_memcpy = prep_memcpy;
	chan->device->device_prep_dma_xor_val = prep_xor_val;
	chan->device->device_prep_interleaved_dma = prep_interleaved;
	chan->device->device_issue_pending = issue;
}

/* One test, and it fails so. */
static void fails_with(enum berth_dmatest_fault fault)
{
	char text[200];
	int err = berth_dmatest_begin(&test);

	if (!err)
		err = berth_dmatest_finish(&test, true);
	assert_true(err < 0);
	assert_int_equal(nr_failures, 1);
	berth_dmatest_text(&failure, text, sizeof(text));
	print_message("# %s\n", text);
	assert_int_equal(failure.fault, fault);
	assert_string_equal(failure.channel, "dma0chan0");
	assert_int_equal(failure.test, 1);
	assert_int_equal(failure.kind, test.kind);
	assert_true(test.stats.failed == 1 && test.stats.faults[fault] == 1);
	assert_int_equal(test.stats.bytes, 0);
}

/* And the straight engine is well again. */
static void mend(void)
{
	struct dma_device *device = chan->device;

	device->device_prep_dma_memcpy = straight.device_prep_dma_memcpy;
	device->device_prep_dma_xor_val = straight.device_prep_dma_xor_val;
	device->device_prep_interleaved_dma = straight.device_prep_interleaved_dma;
	device->device_issue_pending = straight.device_issue_pending;
	device->device_tx_status = straight.device_tx_status;
	device->device_terminate_all = straight.device_terminate_all;
	nr_failures = 0;
	assert_int_equal(berth_dmatest_begin(&test), 0);
	assert_int_equal(berth_dmatest_finish(&test, true), 0);
	assert_int_equal(nr_failures, 0);
	berth_dmatest_exit(&test);
}

static void flip(void)
{
	dst[length / 2] ^= 0x10;
}

static void one_flipped_byte(void **state)
{
	(void)state;
	init(BERTH_DMATEST_MEMCPY);
	bend_it(flip);
	fails_with(BERTH_DMATEST_WRONG);
	assert_int_equal(failure.at, failure.dst_offset + failure.length / 2);
	assert_int_equal(failure.nr_wrong, 1);
	assert_int_equal(failure.found, failure.expected ^ 0x10);
	assert_int_equal(failure.expected, src[length / 2]);
	assert_int_equal(failure.length, length);
	assert_ptr_equal(test.src[0].cpu + failure.src_offset, src);
	assert_ptr_equal(test.dst[0].cpu + failure.dst_offset, dst);
	mend();
}

static struct dma_async_tx_descriptor *prep_short(struct dma_chan *c, dma_addr_t to,
						  dma_addr_t from, size_t len, unsigned long flags)
{
	return straight.device_prep_dma_memcpy(c, to, from, len - 1, flags);
}

static void one_byte_short(void **state)
{
	(void)state;
	init(BERTH_DMATEST_MEMCPY);
	chan->device->device_prep_dma_memcpy = prep_short;
	fails_with(BERTH_DMATEST_SHORT);
	assert_int_equal(failure.at, failure.dst_offset + failure.length - 1);
	assert_int_equal(failure.nr_wrong, 1);
	mend();
}

static struct dma_async_tx_descriptor *prep_long(struct dma_chan *c, dma_addr_t to, dma_addr_t from,
						 size_t len, unsigned long flags)
{
	return straight.device_prep_dma_memcpy(c, to, from, len + 1, flags);
}

static void one_byte_past_the_end(void **state)
{
	(void)state;
	init(BERTH_DMATEST_MEMCPY);
	chan->device->device_prep_dma_memcpy = prep_long;
	fails_with(BERTH_DMATEST_BEHIND);
	assert_int_equal(failure.at, failure.dst_offset + failure.length);
	assert_int_equal(failure.nr_wrong, 1);
	mend();
}

static void write_in_front(void)
{
	dst[-3] ^= 1;
}

static void in_front_of_the_destination(void **state)
{
	(void)state;
	init(BERTH_DMATEST_MEMCPY);
	bend_it(write_in_front);
	fails_with(BERTH_DMATEST_IN_FRONT);
	assert_int_equal(failure.at, failure.dst_offset - 3);
	mend();
}

static void change_source(void)
{
	src[length + 5] ^= 0x40;
}

static void a_changed_source(void **state)
{
	(void)state;
	init(BERTH_DMATEST_MEMCPY);
	bend_it(change_source);
	fails_with(BERTH_DMATEST_SOURCE);
	assert_int_equal(failure.at, failure.src_offset + failure.length + 5);
	assert_int_equal(failure.found, failure.expected ^ 0x40);
	mend();
}

static void fill_gap(void)
{
	if (dmaengine_get_dst_icg(pattern, &pattern->sgl[0]))
		dst[pattern->sgl[0].size] ^= 1;
}

static void a_byte_in_a_gap(void **state)
{
	(void)state;
	init(BERTH_DMATEST_INTERLEAVED);
	bend_it(fill_gap);
	/* Not every pattern has gaps, and the last one is behind everything. */
	for (unsigned int i = 0; i < 50 && !test.stats.faults[BERTH_DMATEST_GAP]; i++) {
		assert_int_equal(berth_dmatest_begin(&test), 0);
		berth_dmatest_finish(&test, true);
	}
	assert_true(test.stats.faults[BERTH_DMATEST_GAP] == 1);
	assert_int_equal(failure.at, failure.dst_offset + pattern->sgl[0].size);
	assert_int_equal(test.stats.failed, test.stats.faults[BERTH_DMATEST_GAP] +
						    test.stats.faults[BERTH_DMATEST_BEHIND]);
	mend();
}

static void never(struct dma_chan *c)
{
	(void)c;
}

static void one_that_is_never_done(void **state)
{
	const uint64_t before = ktime_get_ns();

	(void)state;
	init(BERTH_DMATEST_MEMCPY);
	chan->device->device_issue_pending = never;
	fails_with(BERTH_DMATEST_TIMEOUT);
	assert_int_equal(failure.error, -ETIMEDOUT);
	assert_int_equal(failure.residue, failure.length);
	assert_true(ktime_get_ns() - before >= 3 * NSEC_PER_SEC);
	mend();
	/* Nor where several are driven by one. */
	init(BERTH_DMATEST_MEMCPY);
	test.params.iterations = 3;
	chan->device->device_issue_pending = never;
	assert_int_equal(berth_dmatest_run_all(&test, 1), -EIO);
	assert_int_equal(test.stats.faults[BERTH_DMATEST_TIMEOUT], 3);
	test.params.polled = true;
	test.params.iterations = 5;
	assert_int_equal(berth_dmatest_run_all(&test, 1), -EIO);
	assert_int_equal(test.stats.faults[BERTH_DMATEST_TIMEOUT], 5);
	/* The end comes while one is under way. */
	assert_int_equal(berth_dmatest_begin(&test), 0);
	assert_int_equal(berth_dmatest_finish(&test, false), -EAGAIN);
	berth_dmatest_exit(&test);
	assert_int_equal(test.stats.tests, 5);
}

static void one_that_cannot_be_stopped(void **state)
{
	(void)state;
	init(BERTH_DMATEST_MEMCPY);
	chan->device->device_issue_pending = never;
	chan->device->device_terminate_all = NULL;
	fails_with(BERTH_DMATEST_TIMEOUT);
	/* Its memory is lost, and nothing is tried with it again. */
	assert_int_equal(berth_dmatest_begin(&test), -ETIMEDOUT);
	assert_int_equal(test.stats.failed, 2);
	chan->device->device_terminate_all = straight.device_terminate_all;
	berth_dmatest_exit(&test);
	dma_release_channel(chan);
	chan = NULL;
	assert_int_equal(berth_stop(), -EBUSY);
	assert_reason(BERTH_REASON_LEAK);
	must_start(tree_minimal, NULL, NULL);
}

static void call_again(void)
{
	/* The engine keeps its descriptor: nobody has used it for something else yet. */
	asked->callback_result(asked->callback_param, &(struct dmaengine_result){ 0 });
}

static void one_that_calls_back_twice(void **state)
{
	(void)state;
	init(BERTH_DMATEST_MEMCPY);
	bend_it(call_again);
	fails_with(BERTH_DMATEST_CALLED_TWICE);
	mend();
}

static struct dma_async_tx_descriptor *
prep_nowhere(struct dma_chan *c, dma_addr_t to, dma_addr_t from, size_t len, unsigned long flags)
{
	(void)from;
	return straight.device_prep_dma_memcpy(c, to, 16, len, flags);
}

static void one_that_says_it_failed(void **state)
{
	(void)state;
	init(BERTH_DMATEST_MEMCPY);
	chan->device->device_prep_dma_memcpy = prep_nowhere;
	fails_with(BERTH_DMATEST_ERROR);
	assert_int_equal(failure.error, -EIO);
	assert_int_equal(failure.residue, failure.length);
	mend();
	init(BERTH_DMATEST_MEMCPY);
	nr_failures = 0;
	test.params.polled = true;
	chan->device->device_prep_dma_memcpy = prep_nowhere;
	fails_with(BERTH_DMATEST_ERROR);
	mend();
}

static enum dma_status still_busy(struct dma_chan *c, dma_cookie_t cookie,
				  struct dma_tx_state *state)
{
	straight.device_tx_status(c, cookie, state);
	dma_set_residue(state, 7);
	return DMA_IN_PROGRESS;
}

static void one_that_is_not_complete(void **state)
{
	(void)state;
	init(BERTH_DMATEST_MEMCPY);
	chan->device->device_tx_status = still_busy;
	fails_with(BERTH_DMATEST_STATUS);
	assert_int_equal(failure.residue, 7);
	mend();
}

static struct dma_async_tx_descriptor *
prep_nothing(struct dma_chan *c, dma_addr_t to, dma_addr_t from, size_t len, unsigned long flags)
{
	(void)to;
	(void)from;
	(void)flags;
	berth_dma_fail(c, -EINVAL, BERTH_REASON_SEGMENT, NULL, 0, len, 0);
	return NULL;
}

static dma_cookie_t refuse(struct dma_async_tx_descriptor *tx)
{
	(void)tx;
	return -ENXIO;
}

static struct dma_async_tx_descriptor *
prep_refused(struct dma_chan *c, dma_addr_t to, dma_addr_t from, size_t len, unsigned long flags)
{
	struct dma_async_tx_descriptor *tx =
		straight.device_prep_dma_memcpy(c, to, from, len, flags);

	tx->tx_submit = refuse;
	return tx;
}

static void what_cannot_begin(void **state)
{
	struct device *dev = dmaengine_get_dma_device(chan);

	(void)state;
	init(BERTH_DMATEST_SG);
	chan->device->device_prep_dma_memcpy = prep_nothing;
	fails_with(BERTH_DMATEST_PREPARE);
	assert_int_equal(failure.error, -EINVAL);
	mend();
	init(BERTH_DMATEST_MEMCPY);
	chan->device->device_prep_dma_memcpy = prep_refused;
	fails_with(BERTH_DMATEST_SUBMIT);
	assert_int_equal(failure.error, -ENXIO);
	mend();
	init(BERTH_DMATEST_MEMCPY);
	dev->dma_mask = DMA_BIT_MASK(24);
	dev->map_span = dev->unmap_span = 0;
	fails_with(BERTH_DMATEST_MAP);
	assert_true(failure.error < 0);
	dev->dma_mask = DMA_BIT_MASK(64);
	mend();
}

static void lie(void)
{
	*sum_check ^= SUM_CHECK_P_RESULT;
}

static void a_check_that_lies(void **state)
{
	(void)state;
	init(BERTH_DMATEST_XOR_VAL);
	bend_it(lie);
	fails_with(BERTH_DMATEST_CHECK);
	assert_int_equal(failure.found, failure.expected ^ SUM_CHECK_P_RESULT);
	mend();
}

/* A peripheral whose register is a part of memory, served by the engine. */
static uint8_t *fifo;
static bool fifo_is_bad;

static int config(struct dma_chan *c, struct dma_slave_config *slave)
{
	(void)c;
	assert_int_equal(slave->dst_addr, 0x1234);
	return 0;
}

static struct dma_async_tx_descriptor *prep_slave(struct dma_chan *c, struct scatterlist *sgl,
						  unsigned int sg_len,
						  enum dma_transfer_direction dir,
						  unsigned long flags)
{
	dma_addr_t memory = sg_dma_address(sgl), device = virt_to_phys(fifo);

	assert_int_equal(sg_len, 1);
	return straight.device_prep_dma_memcpy(c, dir == DMA_MEM_TO_DEV ? device : memory,
					       dir == DMA_MEM_TO_DEV ? memory : device,
					       sg_dma_len(sgl), flags);
}

static int give(void *data, const void *bytes, size_t size)
{
	memcpy(data, bytes, size);
	fifo[size / 2] ^= fifo_is_bad;
	return size % 4 || size > 1000 ? -EINVAL : 0;
}

static int take(void *data, void *bytes, size_t size)
{
	memcpy(bytes, data, size);
	fifo[size / 2] ^= fifo_is_bad;
	return size % 4 || size > 1000 ? -EINVAL : 0;
}

static void peripherals(void **state)
{
	struct berth_dmatest_peripheral peripheral = {
		.config = { .dst_addr = 0x1234 },
		.unit = 4,
		.max = 1000,
		.give = give,
		.take = take,
	};
	struct berth_dmatest_params params = { .peripheral = &peripheral, .report = note };

	(void)state;
	fifo = buffer(PAGE_SIZE, 0);
	peripheral.data = fifo;
	dma_cap_set(DMA_SLAVE, chan->device->cap_mask);
	chan->device->directions = 0;
	chan->device->device_config = config;
	chan->device->device_prep_slave_sg = prep_slave;
	params.kinds = 1u << BERTH_DMATEST_SLAVE_OUT | 1u << BERTH_DMATEST_SLAVE_IN;
	assert_int_equal(berth_dmatest_init(&test, chan, &params), 0);
	assert_int_equal(berth_dmatest_run(&test), 0);
	assert_true(test.stats.kinds[BERTH_DMATEST_SLAVE_OUT] > 20);
	assert_true(test.stats.kinds[BERTH_DMATEST_SLAVE_IN] > 20);
	berth_dmatest_exit(&test);
	fifo_is_bad = true;
	params.kinds = 1u << BERTH_DMATEST_SLAVE_IN;
	params.iterations = 1;
	assert_int_equal(berth_dmatest_init(&test, chan, &params), 0);
	fails_with(BERTH_DMATEST_WRONG);
	berth_dmatest_exit(&test);
	/* Without one, and without a way of it, these kinds are not there. */
	params.peripheral = NULL;
	assert_int_equal(berth_dmatest_init(&test, chan, &params), -EINVAL);
	assert_reason(BERTH_REASON_CAPABILITY);
	fifo_is_bad = false;
	free_pages_exact(fifo, PAGE_SIZE);
}

static void parameters(void **state)
{
	static const struct berth_dmatest_params bad[] = {
		{ .alignment = 3 },
		{ .alignment = 512 },
		{ .buffer_size = 64, .transfer_size = 65 },
		{ .alignment = 16, .transfer_size = 8 },
		{ .buffer_size = 8, .alignment = 16 },
		{ .kinds = 1u << BERTH_DMATEST_SLAVE_IN },
	};
	struct berth_dmatest_params params = {
		.report = say_failure, .no_random = true, .iterations = 16, .transfer_size = 4096
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(berth_dmatest_init(&test, chan, &bad[i]), -EINVAL);
	params.buffer_size = 1ull << 24;
	assert_int_equal(berth_dmatest_init(&test, chan, &params), -ENOMEM);
	params.buffer_size = 0;
	/* In turn, each kind as often, and of the same size. */
	params.kinds = 1u << BERTH_DMATEST_MEMCPY | 1u << BERTH_DMATEST_MEMSET;
	assert_int_equal(berth_dmatest_init(&test, chan, &params), 0);
	assert_int_equal(berth_dmatest_run(&test), 0);
	assert_int_equal(test.stats.kinds[BERTH_DMATEST_MEMCPY], 8);
	assert_int_equal(test.stats.bytes, 16 * 4096);
	berth_dmatest_exit(&test);
	/* What nobody looks at is not seen. */
	params = (struct berth_dmatest_params){ .no_verify = true, .iterations = 3 };
	params.kinds = 1u << BERTH_DMATEST_MEMCPY;
	assert_int_equal(berth_dmatest_init(&test, chan, &params), 0);
	bend_it(flip);
	assert_int_equal(berth_dmatest_run(&test), 0);
	mend();
}

static void alignment_is_kept(void **state)
{
	const struct berth_dmatest_params params = { .report = say_failure, .iterations = 500 };
	struct dma_device *device = chan->device;

	(void)state;
	device->copy_align = DMAENGINE_ALIGN_8_BYTES;
	device->xor_align = DMAENGINE_ALIGN_64_BYTES;
	device->fill_align = DMAENGINE_ALIGN_256_BYTES;
	device->max_xor = 2;
	assert_int_equal(berth_dmatest_init(&test, chan, &params), 0);
	assert_int_equal(berth_dmatest_run(&test), 0);
	assert_int_equal(test.stats.failed, 0);
	berth_dmatest_exit(&test);
}

static void words(void **state)
{
	const struct berth_dmatest_failure f = {
		.channel = "dma1chan2",
		.kind = BERTH_DMATEST_XOR,
		.fault = BERTH_DMATEST_WRONG,
		.test = 17,
		.src_offset = 0x110,
		.dst_offset = 0x200,
		.length = 8192,
		.at = 0x233,
		.nr_wrong = 3,
		.expected = 0xda,
		.found = 0x5a,
	};
	static const char wanted[] =
		"dma1chan2: test 17, xor of 8192 bytes from 0x110 to 0x200: wrong bytes, first at "
		"0x233: 0x5a and not 0xda, wrong in all 3";
	char text[200];

	(void)state;
	assert_int_equal(berth_dmatest_text(&f, text, sizeof(text)), sizeof(wanted) - 1);
	assert_string_equal(text, wanted);
	assert_int_equal(berth_dmatest_text(&f, text, 10), sizeof(wanted) - 1);
	assert_string_equal(text, "dma1chan2");
	assert_int_equal(berth_dmatest_text(&f, NULL, 0), sizeof(wanted) - 1);
	for (unsigned int i = 0; i < BERTH_DMATEST_KINDS; i++)
		assert_non_null(berth_dmatest_kind_name(i));
	for (unsigned int i = 0; i < BERTH_DMATEST_FAULTS; i++)
		assert_non_null(berth_dmatest_fault_name(i));
	assert_null(berth_dmatest_kind_name(BERTH_DMATEST_KINDS));
	assert_null(berth_dmatest_fault_name(BERTH_DMATEST_FAULTS));
}

#define bent_test(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		bent_test(one_flipped_byte),
		bent_test(one_byte_short),
		bent_test(one_byte_past_the_end),
		bent_test(in_front_of_the_destination),
		bent_test(a_changed_source),
		bent_test(a_byte_in_a_gap),
		bent_test(one_that_is_never_done),
		bent_test(one_that_cannot_be_stopped),
		bent_test(one_that_calls_back_twice),
		bent_test(one_that_says_it_failed),
		bent_test(one_that_is_not_complete),
		bent_test(what_cannot_begin),
		bent_test(a_check_that_lies),
		bent_test(peripherals),
		bent_test(parameters),
		bent_test(alignment_is_kept),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests_name("dmatest", tests, NULL, NULL);
}
