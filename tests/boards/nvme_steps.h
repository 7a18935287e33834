/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Steps of the tests of the NVMe driver: the same on bare metal, in a process with QEMU's board, and on the
 * model. Each is true if all was as it should be. What the disk holds is compared a window at a time, with
 * SHA-256 sums; of the first window steps.expected has every byte.
 */
#ifndef BERTH_TESTS_BOARDS_NVME_STEPS_H
#define BERTH_TESTS_BOARDS_NVME_STEPS_H

#include <berth/berth.h>
#include <berth/cma.h>
#include <berth/completion.h>
#include <berth/filecache.h>
#include <berth/highmem.h>
#include <berth/interrupt.h>
#include <berth/iommu.h>
#include <berth/of.h>
#include <berth/platform_device.h>
#include <berth/slab.h>
#include <berth/timer.h>
#include <berth/vmalloc.h>

#include <berth/drivers/nvme.h>
#include <berth/drivers/smmu-v3.h>

#include "sha256.h"

#define STEPS_BLOCK 512u
/* More than the controller has commands. */
#define STEPS_REQUESTS 128u
#define STEPS_MAX_CHUNK 16u
#define STEPS_MAX_PIECES 40u
#define STEPS_ROOM_ORDER 6u
#define STEPS_CACHE_BYTES 20000u

/*
 * @pages: of a window, in no order, so that few follow each other; @chunk of them are a request's
 * @done: of the requests of steps_submit()
 */
static struct steps {
	struct pci_dev *pdev;
	struct berth_nvme_namespace *ns;
	uint64_t disk_bytes;
	unsigned int window_bytes;
	unsigned int nr_pages;
	unsigned int chunk;
	bool is_polling;
	struct page **pages;
	uint8_t *expected;
	struct berth_nvme_request requests[STEPS_REQUESTS];
	struct scatterlist lists[STEPS_REQUESTS][STEPS_MAX_CHUNK];
	struct completion all_done;
	uint32_t nr_done;
	void (*done)(struct berth_nvme_request *request);
	uint64_t random;
} steps;

static inline uint64_t steps_random(void)
{
	steps.random ^= steps.random << 13;
	steps.random ^= steps.random >> 7;
	steps.random ^= steps.random << 17;
	return steps.random;
}

static inline uint32_t steps_below(uint32_t limit)
{
	return (uint32_t)(steps_random() >> 32) % limit;
}

static inline struct berth_nvme_stats steps_stats(void)
{
	struct berth_nvme_stats all = { .requests = 0 };

	berth_nvme_stats(steps.pdev, &all);
	return all;
}

static inline void steps_one_done(struct berth_nvme_request *request)
{
	(void)request;
	if (__atomic_add_fetch(&steps.nr_done, 1, __ATOMIC_ACQ_REL) == STEPS_REQUESTS)
		complete(&steps.all_done);
}

/* The first controller that has a driver and a namespace. */
static inline bool steps_find(void)
{
	steps.ns = NULL;
	steps.pdev = NULL;
	while (!steps.ns && (steps.pdev = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, steps.pdev)))
		if (steps.pdev->class_code == 0x010802 && steps.pdev->dev.driver)
			steps.ns = berth_nvme_get_namespace(steps.pdev, 0);
	return steps.ns != NULL;
}

/* The SMMU that the controller is behind; NULL: none. */
static inline struct device *steps_smmu(void)
{
	struct device_node *node = of_find_compatible_node(NULL, NULL, "arm,smmu-v3");
	struct platform_device *smmu = node ? of_find_device_by_node(node) : NULL;

	return smmu && device_iommu_mapped(&steps.pdev->dev) ? &smmu->dev : NULL;
}

/*
 * What the SMMU was asked: at most one register written and one read for each synchronisation. And no
 * access was refused: QEMU's controller says that a command has succeeded even then. @is_strict: about
 * one range is forgotten for each command; else all at once, now and then.
 */
static inline bool steps_smmu_is_content(bool is_strict)
{
	struct berth_smmu_v3_stats stats;

	berth_smmu_v3_stats(steps_smmu(), &stats);
	return !berth_iommu_faults(&steps.pdev->dev) && !stats.events && !stats.timeouts &&
	       !stats.command_errors && !stats.fullness && stats.doorbells <= stats.syncs &&
	       stats.looks <= stats.syncs &&
	       (stats.tlbi_va > steps_stats().commands / 2) == is_strict;
}

/* Memory for @window_bytes, with a controller that was found: STEPS_REQUESTS times 1 to 16 pages. */
static inline bool steps_begin(unsigned int window_bytes, uint64_t seed)
{
	steps.random = seed * 0x9e3779b97f4a7c15 + 1;
	steps.disk_bytes = berth_nvme_backing(steps.ns)->size;
	steps.window_bytes = window_bytes;
	steps.nr_pages = window_bytes / (unsigned int)PAGE_SIZE;
	steps.chunk = steps.nr_pages / STEPS_REQUESTS;
	steps.is_polling = false;
	steps.done = steps_one_done;
	init_completion(&steps.all_done);
	steps.expected = vmalloc(window_bytes);
	steps.pages = vmalloc(steps.nr_pages * sizeof(struct page *));
	for (unsigned int i = 0; steps.pages && i < steps.nr_pages; i++)
		steps.pages[i] = alloc_page(GFP_KERNEL);
	for (unsigned int i = steps.nr_pages - 1; steps.pages && i; i--) {
		unsigned int other = steps_below(i + 1);
		struct page *page = steps.pages[i];

		steps.pages[i] = steps.pages[other];
		steps.pages[other] = page;
	}
	return steps.expected && steps.pages;
}

static inline void steps_end(void)
{
	for (unsigned int i = 0; steps.pages && i < steps.nr_pages; i++)
		__free_page(steps.pages[i]);
	vfree(steps.pages);
	vfree(steps.expected);
}

/* A window of the disk, all at once. Return: the first error of a submission. */
static inline int steps_submit(enum berth_nvme_op op, unsigned int window)
{
	uint64_t block = (uint64_t)window * steps.window_bytes / STEPS_BLOCK;

	__atomic_store_n(&steps.nr_done, 0, __ATOMIC_RELAXED);
	reinit_completion(&steps.all_done);
	for (unsigned int i = 0; i < STEPS_REQUESTS; i++) {
		int err;

		sg_init_table(steps.lists[i], steps.chunk);
		for (unsigned int k = 0; k < steps.chunk; k++)
			sg_set_page(&steps.lists[i][k], steps.pages[i * steps.chunk + k], PAGE_SIZE,
				    0);
		steps.requests[i] = (struct berth_nvme_request){
			.op = op,
			.block = block + (uint64_t)i * steps.chunk * (PAGE_SIZE / STEPS_BLOCK),
			.sgl = steps.lists[i],
			.nents = steps.chunk,
			.done = steps.done,
		};
		err = berth_nvme_submit(steps.ns, &steps.requests[i]);
		if (err)
			return err;
	}
	return 0;
}

static inline void steps_wait(void)
{
	while (steps.is_polling && !completion_done(&steps.all_done))
		if (!berth_nvme_poll(steps.pdev))
			udelay(1);
	wait_for_completion(&steps.all_done);
}

static inline unsigned int steps_count(int error)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < STEPS_REQUESTS; i++)
		nr += steps.requests[i].error == error;
	return nr;
}

/* The same; nothing ends meanwhile: as many commands as there can be are on their way. */
static inline int steps_submit_all(enum berth_nvme_op op, unsigned int window)
{
	int err;

	disable_irq(steps.pdev->irq);
	err = steps_submit(op, window);
	enable_irq(steps.pdev->irq);
	return err;
}

static inline bool steps_transfer(enum berth_nvme_op op, unsigned int window)
{
	if (steps_submit_all(op, window))
		return false;
	steps_wait();
	return steps_count(0) == STEPS_REQUESTS;
}

static inline void steps_fill(void)
{
	for (unsigned int i = 0; i < steps.nr_pages; i++) {
		uint64_t *words = page_address(steps.pages[i]);

		for (unsigned int k = 0; k < PAGE_SIZE / 8; k++)
			words[k] = steps_random();
	}
}

/* Adds the window in memory to a sum; the first one is what is expected from now on. */
static inline void steps_take(struct sha256 *sha, unsigned int window)
{
	for (unsigned int i = 0; i < steps.nr_pages; i++) {
		sha256_add(sha, page_address(steps.pages[i]), PAGE_SIZE);
		if (!window)
			memcpy_from_page(steps.expected + i * PAGE_SIZE, steps.pages[i], 0,
					 PAGE_SIZE);
	}
}

/* All of the disk, and its sum. */
static inline bool steps_read_disk(uint8_t digest[32])
{
	struct sha256 sha;
	bool is_ok = true;

	sha256_start(&sha);
	for (unsigned int i = 0; is_ok && i < steps.disk_bytes / steps.window_bytes; i++) {
		is_ok = steps_transfer(BERTH_NVME_READ, i);
		steps_take(&sha, i);
	}
	sha256_end(&sha, digest);
	return is_ok;
}

/* New bytes for all of the disk, and their sum. */
static inline bool steps_write_disk(uint8_t digest[32])
{
	struct sha256 sha;
	bool is_ok = true;

	sha256_start(&sha);
	for (unsigned int i = 0; is_ok && i < steps.disk_bytes / steps.window_bytes; i++) {
		steps_fill();
		steps_take(&sha, i);
		is_ok = steps_transfer(BERTH_NVME_WRITE, i);
	}
	sha256_end(&sha, digest);
	return is_ok && !berth_nvme_flush(steps.ns);
}

/* After the other steps have written here and there. */
static inline bool steps_first_window_is_right(void)
{
	bool is_ok = steps_transfer(BERTH_NVME_READ, 0);

	for (unsigned int i = 0; i < steps.nr_pages && is_ok; i++) {
		const uint64_t *words = page_address(steps.pages[i]);
		const uint64_t *wanted = (const void *)(steps.expected + i * PAGE_SIZE);

		for (unsigned int k = 0; k < PAGE_SIZE / 8; k++)
			is_ok &= words[k] == wanted[k];
	}
	return is_ok;
}

/*
 * A request's memory: pieces of whole blocks at odd places, each in two pages of its own that follow
 * each other, sometimes described as two that touch. Return: bytes.
 */
static inline unsigned int steps_make_pieces(struct bio_vec *pieces, unsigned int *nr,
					     struct page *room)
{
	unsigned int wanted = 1 + steps_below(STEPS_MAX_PIECES / 2), bytes = 0;

	*nr = 0;
	for (unsigned int i = 0; i < wanted; i++) {
		unsigned int blocks = 1 + steps_below((unsigned int)PAGE_SIZE / STEPS_BLOCK);
		unsigned int offset = steps_below(1 + (unsigned int)PAGE_SIZE / 4) * 4;
		unsigned int len = blocks * STEPS_BLOCK, first = (unsigned int)PAGE_SIZE - offset;

		bytes += len;
		if (offset < PAGE_SIZE && first < len && steps_below(2)) {
			bvec_set_page(&pieces[(*nr)++], room + 2 * i, first, offset);
			bvec_set_page(&pieces[(*nr)++], room + 2 * i + 1, len - first, 0);
		} else {
			bvec_set_page(&pieces[(*nr)++], room + 2 * i, len, offset);
		}
	}
	return bytes;
}

/* Compares with the disk's bytes, and spoils them; or fills with new ones. */
static inline bool steps_walk(const struct bio_vec *pieces, unsigned int nr, uint8_t *disk,
			      bool is_fill)
{
	for (unsigned int i = 0; i < nr; i++) {
		uint8_t *at = page_address(pieces[i].bv_page);

		at += pieces[i].bv_offset;
		for (unsigned int k = 0; k < pieces[i].bv_len; k++, disk++) {
			if (is_fill)
				at[k] = *disk = (uint8_t)steps_below(256);
			else if (at[k] != *disk)
				return false;
			else
				at[k] = (uint8_t)~at[k];
		}
	}
	return true;
}

static inline int steps_run(enum berth_nvme_op op, uint64_t block, struct bio_vec *pieces,
			    unsigned int nr, unsigned int bytes)
{
	static struct scatterlist list[STEPS_MAX_PIECES];
	struct berth_nvme_request request = { .op = op, .block = block };

	if (steps_below(2)) {
		request.bvecs = pieces;
		request.iter.bi_size = bytes;
		return berth_nvme_run(steps.ns, &request);
	}
	sg_init_table(list, nr);
	for (unsigned int i = 0; i < nr; i++)
		sg_set_page(&list[i], pieces[i].bv_page, pieces[i].bv_len, pieces[i].bv_offset);
	return op == BERTH_NVME_READ ? berth_nvme_read(steps.ns, block, list, nr)
				     : berth_nvme_write(steps.ns, block, list, nr);
}

/* Odd sizes at odd places of the first window: read, written and read back. */
static inline bool steps_odd_pieces(unsigned int rounds)
{
	struct page *room = alloc_pages(GFP_KERNEL, STEPS_ROOM_ORDER);
	struct bio_vec pieces[STEPS_MAX_PIECES];
	bool is_ok = room != NULL;
	unsigned int nr;

	for (unsigned int i = 0; is_ok && i < rounds; i++) {
		unsigned int bytes = steps_make_pieces(pieces, &nr, room);
		uint32_t block = steps_below((steps.window_bytes - bytes) / STEPS_BLOCK + 1);
		uint8_t *disk = steps.expected + (size_t)block * STEPS_BLOCK;

		if (i % 2) {
			steps_walk(pieces, nr, disk, true);
			is_ok = !steps_run(BERTH_NVME_WRITE, block, pieces, nr, bytes) &&
				steps_walk(pieces, nr, disk, false);
		}
		is_ok = is_ok && !steps_run(BERTH_NVME_READ, block, pieces, nr, bytes) &&
			steps_walk(pieces, nr, disk, false);
	}
	if (room)
		__free_pages(room, STEPS_ROOM_ORDER);
	return is_ok;
}

/* One request for more than a command takes, from contiguous memory at an odd place. */
static inline bool steps_splitting(unsigned int commands, unsigned int max_transfer)
{
	unsigned int bytes = commands * max_transfer - STEPS_BLOCK;
	unsigned int order = (unsigned int)get_order(bytes + PAGE_SIZE);
	struct page *page = alloc_pages(GFP_KERNEL, order);
	uint64_t before = steps_stats().commands;
	struct bio_vec piece = { .bv_page = page, .bv_len = bytes, .bv_offset = 260 };
	struct scatterlist sg;
	bool is_ok;

	if (!page)
		return false;
	sg_init_table(&sg, 1);
	sg_set_page(&sg, page, bytes, piece.bv_offset);
	is_ok = !berth_nvme_read(steps.ns, 1, &sg, 1) &&
		steps_walk(&piece, 1, steps.expected + STEPS_BLOCK, false) &&
		steps_stats().commands == before + commands;
	__free_pages(page, order);
	return is_ok;
}

static inline bool steps_is_refused(struct scatterlist *sgl, unsigned int nents)
{
	berth_clear_error();
	return berth_nvme_read(steps.ns, 0, sgl, nents) == -EINVAL &&
	       berth_last_error()->reason == BERTH_REASON_ARGUMENT;
}

/* Memory that no command can have. */
static inline bool steps_refusals(void)
{
	uint64_t before = steps_stats().commands;
	struct scatterlist sg[2];
	bool is_ok;

	sg_init_table(sg, 2);
	sg_set_page(&sg[0], steps.pages[0], 256, 0);
	sg_set_page(&sg[1], steps.pages[1], 256, 0);
	is_ok = steps_is_refused(sg, 2);
	sg_set_page(&sg[0], steps.pages[0], STEPS_BLOCK, 2);
	is_ok &= steps_is_refused(sg, 1);
	sg_set_page(&sg[0], steps.pages[0], STEPS_BLOCK + 4, 0);
	is_ok &= steps_is_refused(sg, 1);
	is_ok &= steps_is_refused(NULL, 0);
	return is_ok && steps_stats().commands == before;
}

/* Reading behind the end is an error, and the next read is none. */
static inline bool steps_behind_the_end(void)
{
	const uint64_t last = steps.disk_bytes / STEPS_BLOCK - 1;
	const struct berth_error *error = berth_last_error();
	struct scatterlist sg;

	sg_init_table(&sg, 1);
	sg_set_page(&sg, steps.pages[0], 2 * STEPS_BLOCK, 0);
	return berth_nvme_read(steps.ns, last, &sg, 1) == -EREMOTEIO &&
	       error->reason == BERTH_REASON_IO && error->address == last * STEPS_BLOCK &&
	       error->length == 2 * STEPS_BLOCK &&
	       berth_nvme_write(steps.ns, UINT64_MAX, &sg, 1) == -EREMOTEIO &&
	       !berth_nvme_read(steps.ns, last - 1, &sg, 1);
}

/* Pages of the default area that nobody has been given: an IOMMU's tables and queues may lie there. */
static inline unsigned long steps_area(void)
{
	struct berth_cma_stats area;

	berth_cma_stats(berth_cma_default(), &area);
	return (unsigned long)area.longest_free_run;
}

/* The default area, or a part of it, is a device's for a moment. Return: whether it could be had. */
static inline bool steps_take_area(unsigned long pages)
{
	struct page *page = cma_alloc(berth_cma_default(), pages, 0, true);

	if (!page)
		return false;
	for (unsigned long i = 0; i < pages; i++)
		*(uint64_t *)page_address(page + i) = 0x6265727468756c6c;
	return cma_release(berth_cma_default(), page, pages);
}

/* Somebody who wants parts of the area again and again, beside steps_file_cache(). */
struct steps_taker {
	uint32_t is_over;
	uint32_t taken;
};

static inline void steps_take_area_until(void *data)
{
	unsigned long all = cma_get_size(berth_cma_default()) / PAGE_SIZE;
	struct steps_taker *taker = data;

	for (unsigned long i = 1; !__atomic_load_n(&taker->is_over, __ATOMIC_ACQUIRE); i++) {
		__atomic_fetch_add(&taker->taken, steps_take_area(1 + i * 3701 % all),
				   __ATOMIC_RELAXED);
		usleep_range(100, 200);
	}
}

static inline bool steps_cache_round(struct cached_file *file, bool is_write)
{
	static uint8_t bytes[STEPS_CACHE_BYTES];
	uint32_t size = 1 + steps_below(STEPS_CACHE_BYTES);
	uint32_t at = steps_below(steps.window_bytes - size);
	uint8_t *wanted = steps.expected + at;
	bool is_ok;

	if (is_write) {
		for (uint32_t k = 0; k < size; k++)
			bytes[k] = wanted[k] = (uint8_t)(steps.random >> k % 57 ^ k);
		return berth_filecache_write(file, bytes, at, size) == size;
	}
	is_ok = berth_filecache_read(file, bytes, at, size) == size;
	for (uint32_t k = 0; k < size; k++)
		is_ok &= bytes[k] == wanted[k];
	return is_ok;
}

/*
 * The first window through the file cache, whose clean pages lie in the default area. That is taken by
 * @taker meanwhile, at least 20 times; or, without one, now and then here, all of it.
 */
static inline bool steps_file_cache(unsigned int rounds, const struct steps_taker *taker)
{
	struct cached_file *file = berth_filecache_open(berth_nvme_backing(steps.ns));
	unsigned long area = steps_area();
	struct berth_filecache_stats stats = { .pages = 0 };
	bool is_ok = file != NULL;

	for (unsigned int i = 0;
	     is_ok &&
	     (i < rounds || (taker && __atomic_load_n(&taker->taken, __ATOMIC_RELAXED) < 20));
	     i++) {
		is_ok = steps_cache_round(file, i % 3 == 0);
		if (i % 20 == 19 && !taker)
			is_ok = is_ok && steps_take_area(area);
		if (i % 50 == 49)
			is_ok = is_ok && !berth_filecache_sync(file);
		/* That there is something to be read. */
		if (i % 50 == 49 && taker)
			berth_filecache_drop(file);
	}
	berth_filecache_stats(file, &stats);
	return file && !berth_filecache_close(file) && is_ok && stats.read && stats.written &&
	       stats.dropped;
}

#endif
