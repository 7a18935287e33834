/* SPDX-License-Identifier: BSD-2-Clause */
/* A namespace under the file cache, or under swap. */
#include <berth/highmem.h>

#include "nvme.h"

#define PAGES_AT_ONCE 32u

static struct berth_nvme_namespace *to_ns(struct backing *backing)
{
	return container_of(backing, struct berth_nvme_namespace, backing);
}

/* The namespace may end within a page: what is behind reads as zeroes. */
static int zero_rest(struct page *page, size_t from)
{
	static const uint8_t zeroes[512];
	int err = 0;

	for (; from < PAGE_SIZE && !err; from += sizeof(zeroes))
		err = memcpy_to_page(page, from, zeroes, sizeof(zeroes));
	return err;
}

/* Some pages, all of which begin before the end. */
static int transfer(struct berth_nvme_namespace *ns, enum berth_nvme_op op, uint64_t offset,
		    struct page *const *pages, unsigned int nr)
{
	struct bio_vec bvecs[PAGES_AT_ONCE];
	uint64_t left = ns->backing.size - offset;
	struct berth_nvme_request request = {
		.op = op,
		.block = offset / ns->block_bytes,
		.bvecs = bvecs,
	};
	int err;

	request.iter.bi_size = nr * (unsigned int)PAGE_SIZE;
	if (left < request.iter.bi_size)
		request.iter.bi_size = (unsigned int)left;
	for (unsigned int i = 0; i < nr; i++)
		bvec_set_page(&bvecs[i], pages[i], PAGE_SIZE, 0);
	err = berth_nvme_run(ns, &request);
	if (!err && op == BERTH_NVME_READ && left % PAGE_SIZE && left < nr * PAGE_SIZE)
		err = zero_rest(pages[nr - 1], left % PAGE_SIZE);
	return err;
}

static int all_pages(struct backing *backing, enum berth_nvme_op op, uint64_t index,
		     struct page *const *pages, unsigned int nr)
{
	int err = 0;

	for (unsigned int done = 0, now; done < nr && !err; done += now) {
		uint64_t size = backing->size, first = index + done;
		uint64_t there = size / PAGE_SIZE + (size % PAGE_SIZE != 0);

		now = nr - done < PAGES_AT_ONCE ? nr - done : PAGES_AT_ONCE;
		if (first >= there) {
			now = 1;
			err = op == BERTH_NVME_READ ? zero_rest(pages[done], 0) : 0;
			continue;
		}
		if (there - first < now)
			now = (unsigned int)(there - first);
		err = transfer(to_ns(backing), op, first * PAGE_SIZE, pages + done, now);
	}
	return err;
}

static int read_pages(struct backing *backing, uint64_t index, struct page *const *pages,
		      unsigned int nr)
{
	return all_pages(backing, BERTH_NVME_READ, index, pages, nr);
}

static int write_pages(struct backing *backing, uint64_t index, struct page *const *pages,
		       unsigned int nr)
{
	return all_pages(backing, BERTH_NVME_WRITE, index, pages, nr);
}

static int flush(struct backing *backing)
{
	return berth_nvme_flush(to_ns(backing));
}

static const struct backing_ops namespace_ops = {
	.read_pages = read_pages,
	.write_pages = write_pages,
	.flush = flush,
};

void berth_nvme_init_backing(struct berth_nvme_namespace *ns)
{
	ns->backing.ops = &namespace_ops;
	ns->backing.name = dev_name(ns->nvme->dev);
	ns->backing.size = ns->blocks * ns->block_bytes;
}

struct backing *berth_nvme_backing(struct berth_nvme_namespace *ns)
{
	return &ns->backing;
}
