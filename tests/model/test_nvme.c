/* SPDX-License-Identifier: BSD-2-Clause */
/* The NVMe driver with a controller that watches it, and one that does everything wrong. */
#include "nvme_card.h"

#include <berth/swiotlb.h>
#include <berth/test.h>

#include "../boards/nvme_steps.h"

#define WINDOW (CARD_BLOCKS * CARD_BLOCK)
#define LENT "cma=80M"

static void boot(const char *bootargs, const struct berth_model_config *config, bool is_coherent)
{
	char why[200];

	if (card_boot(bootargs, config, is_coherent)) {
		berth_error_text(NULL, why, sizeof(why));
		fail_msg("berth_start: %s", why);
	}
	assert_true(steps_find());
	assert_true(steps_begin(WINDOW, 3));
}

static void halt(void)
{
	steps_end();
	must_stop();
	assert_int_equal(card.complaints, 0);
}

static void fill_disk(void)
{
	for (uint32_t i = 0; i < WINDOW; i++)
		card.disk[i] = (uint8_t)(i * 2654435761u >> 11);
}

static void must_be_on_disk(void)
{
	assert_memory_equal(card.disk, steps.expected, WINDOW);
}

static void run_all_steps(bool is_polling)
{
	uint8_t digest[32], wanted[32];
	struct berth_nvme_info info;
	struct sha256 sha;

	if (is_polling)
		assert_int_equal(berth_nvme_set_polling(steps.pdev, true), 0);
	steps.is_polling = is_polling;
	assert_int_equal(berth_nvme_info(steps.pdev, &info), 0);
	assert_string_equal(info.model, "A model");
	assert_string_equal(info.serial, "t1?");
	assert_string_equal(info.firmware, "0.1");
	assert_true(info.has_write_cache && info.max_transfer == 128 << 10);
	fill_disk();
	sha256_start(&sha);
	sha256_add(&sha, card.disk, WINDOW);
	sha256_end(&sha, wanted);
	assert_true(steps_read_disk(digest));
	assert_memory_equal(digest, wanted, sizeof(digest));
	assert_int_equal(steps_stats().max_in_flight, BERTH_NVME_DEPTH);
	assert_true(steps_odd_pieces(100));
	assert_true(steps_splitting(4, info.max_transfer));
	assert_true(steps_refusals());
	assert_true(steps_behind_the_end());
	assert_true(steps_file_cache(60, NULL));
	must_be_on_disk();
	assert_true(steps_write_disk(wanted));
	must_be_on_disk();
	assert_true(steps_read_disk(digest) && steps_first_window_is_right());
	assert_memory_equal(digest, wanted, sizeof(digest));
}

/* Where bytes go by way of caches and bounce buffers, and how often registers are written. */
static void right_bytes(void **state)
{
	static const struct {
		const char *bootargs;
		enum berth_model_cache cache;
		bool is_coherent, is_polling;
	} ways[] = {
		{ LENT, BERTH_MODEL_CACHE_RANDOM, false, false },
		{ LENT, BERTH_MODEL_CACHE_ADVERSARIAL, false, true },
		{ LENT, BERTH_MODEL_CACHE_RANDOM, true, false },
		{ LENT " swiotlb=8192,force", BERTH_MODEL_CACHE_ADVERSARIAL, false, false },
		{ LENT " swiotlb=8192,force", BERTH_MODEL_CACHE_RANDOM, false, true },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++) {
		const struct berth_model_config config = { .cache = ways[i].cache };
		struct berth_swiotlb_info bounce;
		struct berth_nvme_stats before, after;

		card_reset();
		boot(ways[i].bootargs, &config, ways[i].is_coherent);
		before = steps_stats();
		assert_int_equal(before.register_writes, card.writes);
		/* The line may be another device's too. */
		assert_int_equal(card.raises, 0);
		run_all_steps(ways[i].is_polling);
		after = steps_stats();
		assert_int_equal(after.register_writes, card.writes);
		assert_true(after.register_writes - before.register_writes <= 2 * after.commands);
		assert_int_equal(after.commands, card.ios);
		assert_int_equal(after.timeouts + after.lost_interrupts, 0);
		assert_int_equal(!after.interrupts, ways[i].is_polling);
		assert_int_equal(!card.raises, ways[i].is_polling);
		berth_swiotlb_info(&steps.pdev->dev, &bounce);
		assert_int_equal(!bounce.nr_maps, !strstr(ways[i].bootargs, "swiotlb"));
		halt();
		assert_int_equal(card.shutdowns, 1);
		assert_true(card.flushes);
	}
}

/* Commands one at a time, far doorbells, short commands, long blocks. */
static void other_controllers(void **state)
{
	static const struct {
		uint64_t cap;
		uint8_t mdts, shift;
		unsigned int depth, max_transfer;
	} kinds[] = {
		{ CARD_GOOD_CAP & ~0xfffeull, 0, 9, 1, 512 << 10 },
		{ (CARD_GOOD_CAP & ~0xffffull) | 5, 1, 9, 5, 8 << 10 },
		{ CARD_GOOD_CAP | 3ull << 32, 200, 12, 63, 512 << 10 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct berth_nvme_info info;
		uint8_t digest[32];

		card_reset();
		card.cap = kinds[i].cap;
		card.mdts = kinds[i].mdts;
		card.lbaf_shift = kinds[i].shift;
		fill_disk();
		boot(NULL, NULL, false);
		assert_int_equal(berth_nvme_info(steps.pdev, &info), 0);
		assert_int_equal(info.depth, kinds[i].depth);
		assert_int_equal(info.max_transfer, kinds[i].max_transfer);
		assert_int_equal(berth_nvme_block_bytes(steps.ns), 1u << kinds[i].shift);
		if (kinds[i].shift == 9) {
			assert_true(steps_read_disk(digest));
			must_be_on_disk();
			assert_true(steps_odd_pieces(40));
			must_be_on_disk();
		} else {
			struct scatterlist sg;

			sg_init_table(&sg, 1);
			sg_set_page(&sg, steps.pages[0], 4096, 0);
			assert_int_equal(berth_nvme_read(steps.ns, 77, &sg, 1), 0);
			assert_memory_equal(page_address(steps.pages[0]), card.disk + 77 * 4096,
					    4096);
			sg_set_page(&sg, steps.pages[0], 2048, 0);
			assert_int_equal(berth_nvme_read(steps.ns, 77, &sg, 1), -EINVAL);
		}
		assert_int_equal(steps_stats().max_in_flight,
				 kinds[i].shift == 9 ? kinds[i].depth : 1);
		halt();
	}
}

/* No driver is bound, for that reason, and nothing is left of the try. */
static void must_not_bind(int code)
{
	struct pci_dev *pdev;

	berth_clear_error();
	assert_int_equal(card_boot(NULL, NULL, false), 0);
	assert_int_equal(berth_last_error()->code, code);
	assert_reason(BERTH_REASON_DRIVER);
	assert_string_equal(berth_last_error()->subject, "0000:00:00.0");
	assert_string_equal(berth_last_error()->holder, "nvme");
	pdev = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, NULL);
	assert_true(pdev && !pdev->dev.driver);
	assert_int_equal(card.config[PCI_COMMAND / 4] & PCI_COMMAND_MASTER, 0);
	assert_false(steps_find());
	assert_int_equal(berth_nvme_poll(pdev), 0);
	assert_int_equal(berth_nvme_set_timeout(pdev, 1), -ENODEV);
	assert_reason(BERTH_REASON_NO_DEVICE);
	must_stop();
}

static void bad_capabilities(void **state)
{
	static const uint64_t caps[] = {
		CARD_GOOD_CAP & ~0xffffull, /* queues of one entry */
		CARD_GOOD_CAP & ~(1ull << 37), /* no NVM commands */
		CARD_GOOD_CAP | 1ull << 48, /* pages from 8 KiB on */
		CARD_GOOD_CAP | 0xfull << 32, /* doorbells outside its BAR */
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(caps); i++) {
		card_reset();
		card.cap = caps[i];
		must_not_bind(-EOPNOTSUPP);
		assert_int_equal(card.writes + card.complaints, 0);
	}
	card_reset();
	card.does_not_answer = true;
	must_not_bind(-ENODEV);
	card_reset();
	card.never_ready = true;
	must_not_bind(-ETIMEDOUT);
	card_reset();
	card.fails_at_start = true;
	must_not_bind(-EIO);
	card_reset();
	card.csts_at_start = 1;
	card.never_stops = true;
	must_not_bind(-ETIMEDOUT);
}

/* A controller that a loader left on is stopped first. */
static void left_on(void **state)
{
	(void)state;
	card_reset();
	card.csts_at_start = 1;
	boot(NULL, NULL, false);
	assert_int_equal(berth_nvme_flush(steps.ns), 0);
	halt();
}

/* Each of the commands of a start goes wrong in each way. */
static void bad_answers_at_start(void **state)
{
	static const struct {
		enum card_how how;
		int code;
	} cases[] = {
		{ CARD_LOSES, -ETIMEDOUT }, { CARD_OLD_PHASE, -ETIMEDOUT }, { CARD_WRONG_ID, -EIO },
		{ CARD_WRONG_QUEUE, -EIO }, { CARD_STATUS, -EOPNOTSUPP },   { CARD_FAILS, -EIO },
		{ CARD_GOES, -EIO },	    { CARD_LATE, -ETIMEDOUT },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		/* Identify three times, the number of queues, and two queues. */
		for (unsigned int nth = 1; nth <= 6; nth++) {
			card_reset();
			card.admin = nth;
			card.how = cases[i].how;
			card.status = 1;
			must_not_bind(cases[i].code);
			assert_int_equal(card.complaints, 0);
		}
	}
}

static void bad_identities(void **state)
{
	(void)state;
	/* Unknown formats are left out. */
	for (unsigned int i = 0; i < 3; i++) {
		struct berth_nvme_info info;
		struct pci_dev *pdev;

		card_reset();
		card.lbaf_shift = (uint8_t)(i ? 9 + 4 * i : 9);
		card.metadata = i ? 0 : 8;
		assert_int_equal(card_boot(NULL, NULL, false), 0);
		pdev = pci_get_device(0x1234, 1, NULL);
		assert_int_equal(berth_nvme_info(pdev, &info), 0);
		assert_int_equal(info.nr_namespaces, 0);
		assert_null(berth_nvme_get_namespace(pdev, 0));
		assert_reason(BERTH_REASON_ARGUMENT);
		must_stop();
	}
	card_reset();
	card.ids[1] = 1;
	must_not_bind(-EIO);
}

/* One of the requests is answered wrongly; what is on its way ends, and nothing comes after. */
static void must_be_stopped(enum card_how how, int code)
{
	struct scatterlist sg;
	unsigned int good;

	card_reset();
	boot(NULL, NULL, false);
	assert_int_equal(berth_nvme_set_timeout(steps.pdev, 200), 0);
	card.how = how;
	card.io = card.ios + 70;
	assert_int_equal(steps_submit_all(BERTH_NVME_READ, 0), 0);
	steps_wait();
	good = steps_count(0);
	assert_in_range(good, 1, STEPS_REQUESTS - 1);
	assert_int_equal(good + steps_count(code), STEPS_REQUESTS);
	assert_int_equal(card.cc & 1, 0);
	assert_int_equal(card.config[PCI_COMMAND / 4] & PCI_COMMAND_MASTER, 0);
	assert_true(card.config[PCI_COMMAND / 4] & PCI_COMMAND_INTX_DISABLE);
	/* What it does now reaches nobody. */
	for (unsigned int i = 0; i < steps.nr_pages; i++)
		memset(page_address(steps.pages[i]), 0x5a, PAGE_SIZE);
	msleep(200000);
	assert_int_equal(card.blocked_dma != 0, how == CARD_LATE);
	for (unsigned int i = 0; i < steps.nr_pages; i++)
		assert_int_equal(*(uint8_t *)page_address(steps.pages[i]), 0x5a);
	sg_init_table(&sg, 1);
	sg_set_page(&sg, steps.pages[0], 512, 0);
	assert_int_equal(berth_nvme_read(steps.ns, 0, &sg, 1), -EIO);
	assert_reason(BERTH_REASON_IO);
	assert_string_equal(berth_last_error()->subject, "0000:00:00.0");
	assert_int_equal(berth_nvme_flush(steps.ns), -EIO);
	assert_int_equal(steps_stats().requests, STEPS_REQUESTS);
	assert_int_equal(steps_stats().timeouts != 0, code == -ETIMEDOUT);
	halt();
	assert_int_equal(card.shutdowns, 0);
}

static void bad_answers(void **state)
{
	(void)state;
	must_be_stopped(CARD_LOSES, -ETIMEDOUT);
	must_be_stopped(CARD_LATE, -ETIMEDOUT);
	must_be_stopped(CARD_OLD_PHASE, -ETIMEDOUT);
	must_be_stopped(CARD_WRONG_ID, -EIO);
	must_be_stopped(CARD_WRONG_QUEUE, -EIO);
	must_be_stopped(CARD_TWICE, -EIO);
	must_be_stopped(CARD_FAILS, -EIO);
}

static void id_without_command(void **state)
{
	struct scatterlist sg;

	(void)state;
	card_reset();
	boot(NULL, NULL, false);
	card.how = CARD_FREE_ID;
	card.io = card.ios + 1;
	sg_init_table(&sg, 1);
	sg_set_page(&sg, steps.pages[0], 512, 0);
	assert_int_equal(berth_nvme_read(steps.ns, 0, &sg, 1), -EIO);
	assert_int_equal(steps_stats().errors, 1);
	halt();
}

/* Pulled out: its registers cannot be written either. */
static void gone(void **state)
{
	(void)state;
	card_reset();
	boot(NULL, NULL, false);
	card.how = CARD_GOES;
	card.io = card.ios + 70;
	assert_int_equal(steps_submit_all(BERTH_NVME_WRITE, 0), 0);
	steps_wait();
	assert_true(steps_count(-EIO) && steps_count(-EIO) + steps_count(0) == STEPS_REQUESTS);
	assert_int_equal(berth_nvme_flush(steps.ns), -EIO);
	halt();
}

/* Without interrupts commands are found when their time is up, and nothing is lost. */
static void lost_interrupts(void **state)
{
	(void)state;
	card_reset();
	fill_disk();
	boot(NULL, NULL, false);
	card.is_silent = true;
	assert_int_equal(berth_nvme_set_timeout(steps.pdev, 300), 0);
	assert_int_equal(steps_submit_all(BERTH_NVME_READ, 0), 0);
	steps_wait();
	assert_int_equal(steps_count(0), STEPS_REQUESTS);
	assert_int_equal(steps_stats().timeouts, 0);
	assert_int_equal(steps_stats().interrupts, 0);
	assert_true(steps_stats().lost_interrupts);
	halt();
}

/* A command that fails takes its request with it, and no other. */
static void bad_status(void **state)
{
	static const struct {
		uint32_t status;
		int code;
	} cases[] = { { 0x281, -ENODATA }, { 0x20, -EACCES }, { 0x4002, -EOPNOTSUPP }, { 6, -EIO } };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct berth_nvme_request request = { .op = BERTH_NVME_READ, .block = 8 };
		struct bio_vec piece;
		struct page *page;

		card_reset();
		card.mdts = 1;
		card.cap = CARD_GOOD_CAP & ~0xfffeull;
		card.status = cases[i].status;
		card.how = CARD_STATUS;
		boot(NULL, NULL, false);
		/* Eight commands, one at a time, the third of which fails. */
		card.io = card.ios + 3;
		page = alloc_pages(GFP_KERNEL, 4);
		bvec_set_page(&piece, page, 65536, 0);
		request.bvecs = &piece;
		request.iter.bi_size = 65536;
		assert_int_equal(berth_nvme_run(steps.ns, &request), cases[i].code);
		assert_int_equal(card.ios, card.io);
		assert_int_equal(request.status, cases[i].status & 0x7ff);
		assert_int_equal(berth_last_error()->address, 8 * CARD_BLOCK);
		assert_int_equal(berth_last_error()->length, 65536);
		assert_int_equal(steps_stats().errors, 1);
		__free_pages(page, 4);
		assert_true(steps_transfer(BERTH_NVME_READ, 0));
		halt();
	}
}

static void give_back(struct berth_nvme_request *request)
{
	for (unsigned int i = 0; i < request->nents; i++)
		__free_page(sg_page(&request->sgl[i]));
	steps_one_done(request);
}

/* The driver leaves at any moment, with all requests on their way: all memory is given back. */
static void leaving(void **state)
{
	(void)state;
	for (unsigned int us = 0; us < 1500; us += 137) {
		card_reset();
		card.latency_ns = 2000000;
		boot(us % 2 ? "swiotlb=8192,force" : NULL, NULL, false);
		steps.done = give_back;
		assert_int_equal(steps_submit_all(BERTH_NVME_READ, 0), 0);
		udelay(us);
		vfree(steps.pages);
		vfree(steps.expected);
		must_stop();
		assert_int_equal(steps.nr_done, STEPS_REQUESTS);
		assert_true(steps_count(-ENXIO));
		assert_int_equal(steps_count(-ENXIO) + steps_count(0), STEPS_REQUESTS);
		assert_int_equal(card.complaints, 0);
	}
}

/* A request from within the end of another, while the driver leaves. */
static struct berth_nvme_request again;

static void once_more(struct berth_nvme_request *request)
{
	int err;

	again = (struct berth_nvme_request){ .op = BERTH_NVME_FLUSH, .done = steps_one_done };
	err = berth_nvme_submit(steps.ns, &again);
	if (err)
		request->error = err;
}

static void asking_again(void **state)
{
	struct berth_nvme_request request = { .op = BERTH_NVME_FLUSH, .done = once_more };

	(void)state;
	card_reset();
	boot(NULL, NULL, false);
	steps.nr_done = 0;
	assert_int_equal(berth_nvme_submit(steps.ns, &request), 0);
	msleep(1);
	assert_int_equal(request.error, 0);
	assert_int_equal(steps.nr_done, 1);
	card.how = CARD_LOSES;
	card.io = card.ios + 1;
	assert_int_equal(berth_nvme_submit(steps.ns, &request), 0);
	steps_end();
	must_stop();
	assert_int_equal(request.error, -ENXIO);
	assert_int_equal(steps.nr_done, 1);
}

/* Every allocation of a start fails once, and nothing is left of it. */
static void starts_without_memory(void **state)
{
	unsigned int starts = 0;
	bool failed = true;

	(void)state;
	for (uint64_t nth = 1; failed; nth++) {
		card_reset();
		berth_test_fail_nth(nth);
		if (!card_boot(NULL, NULL, false)) {
			starts++;
			failed = berth_test_failed();
			berth_test_fail_nth(0);
			must_stop();
		}
		berth_test_fail_nth(0);
		assert_int_equal(card.complaints, 0);
	}
	assert_true(starts > 20);
}

/* A namespace that ends within a page: behind it are zeroes, and nothing is written there. */
static void end_within_a_page(void **state)
{
	struct backing *backing;
	uint8_t *bytes;

	(void)state;
	card_reset();
	card.blocks = CARD_BLOCKS - 5;
	fill_disk();
	assert_int_equal(card_boot(NULL, NULL, false), 0);
	assert_true(steps_find() && steps_begin(WINDOW, 3));
	backing = berth_nvme_backing(steps.ns);
	assert_int_equal(backing->size, WINDOW - 5 * CARD_BLOCK);
	for (unsigned int i = 0; i < 40; i++)
		memset(page_address(steps.pages[i]), 0xa5, PAGE_SIZE);
	/* More than 32 pages, three of which are behind the end. */
	assert_int_equal(
		backing->ops->read_pages(backing, WINDOW / PAGE_SIZE - 37, steps.pages, 40), 0);
	for (unsigned int i = 0; i < 37; i++)
		assert_memory_equal(page_address(steps.pages[i]),
				    card.disk + WINDOW - (37 - i) * PAGE_SIZE,
				    i == 36 ? 3 * CARD_BLOCK : PAGE_SIZE);
	bytes = page_address(steps.pages[36]);
	for (unsigned int k = 3 * CARD_BLOCK; k < PAGE_SIZE; k++)
		assert_int_equal(bytes[k], 0);
	for (unsigned int i = 37; i < 40; i++) {
		bytes = page_address(steps.pages[i]);
		for (unsigned int k = 0; k < PAGE_SIZE; k++)
			assert_int_equal(bytes[k], 0);
	}
	memset(card.disk + WINDOW - PAGE_SIZE, 0, PAGE_SIZE);
	memset(page_address(steps.pages[36]), 0x77, PAGE_SIZE);
	assert_int_equal(
		backing->ops->write_pages(backing, WINDOW / PAGE_SIZE - 1, steps.pages + 36, 4), 0);
	for (unsigned int k = 0; k < PAGE_SIZE; k++)
		assert_int_equal(card.disk[WINDOW - PAGE_SIZE + k] == 0x77, k < 3 * CARD_BLOCK);
	halt();
}

/* All memory that there is, as a list. */
static struct page **hoard(void)
{
	struct page **first = NULL, **next, *page;

	while ((page = alloc_page(GFP_ATOMIC | __GFP_NOWARN))) {
		next = page_address(page);
		*next = first ? virt_to_page(first) : NULL;
		first = next;
	}
	return first;
}

static void give_up(struct page **first)
{
	while (first) {
		struct page *next = *first;

		__free_page(virt_to_page(first));
		first = next ? page_address(next) : NULL;
	}
}

/* No memory for more bounce buffers than for 32 commands: the others wait for theirs, and all end well. */
static void no_bounce_buffer(void **state)
{
	struct page **all;

	(void)state;
	for (unsigned int is_polling = 0; is_polling < 2; is_polling++) {
		card_reset();
		fill_disk();
		boot("swiotlb=128,force", NULL, false);
		assert_int_equal(berth_nvme_set_polling(steps.pdev, is_polling), 0);
		steps.is_polling = is_polling;
		all = hoard();
		assert_non_null(all);
		assert_true(steps_transfer(BERTH_NVME_READ, 0));
		assert_in_range(steps_stats().max_in_flight, 1, 33);
		give_up(all);
		steps_take(&(struct sha256){ .bytes = 0 }, 0);
		must_be_on_disk();
		halt();
	}
}

/* Bounce buffers for a few commands alone: the others wait, and all end well. */
static void few_bounce_buffers(void **state)
{
	uint8_t digest[32];

	(void)state;
	card_reset();
	fill_disk();
	boot("swiotlb=128,force", NULL, false);
	assert_true(steps_read_disk(digest));
	must_be_on_disk();
	assert_true(steps_odd_pieces(50));
	must_be_on_disk();
	halt();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_bytes),
		cmocka_unit_test(other_controllers),
		cmocka_unit_test(bad_capabilities),
		cmocka_unit_test(left_on),
		cmocka_unit_test(bad_answers_at_start),
		cmocka_unit_test(bad_identities),
		cmocka_unit_test(bad_answers),
		cmocka_unit_test(id_without_command),
		cmocka_unit_test(gone),
		cmocka_unit_test(lost_interrupts),
		cmocka_unit_test(bad_status),
		cmocka_unit_test(leaving),
		cmocka_unit_test(asking_again),
		cmocka_unit_test(starts_without_memory),
		cmocka_unit_test(end_within_a_page),
		cmocka_unit_test(few_bounce_buffers),
		cmocka_unit_test(no_bounce_buffer),
	};

	return cmocka_run_group_tests_name("nvme", tests, NULL, NULL);
}
