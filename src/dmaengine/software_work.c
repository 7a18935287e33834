// SPDX-License-Identifier: BSD-2-Clause
/* What the software engine does with bytes, wherever they lie. */
#include <berth/highmem.h>

#include "dma/internal.h"
#include "dmaengine/software.h"
#include "lib/string.h"

/* Sources are added up in blocks: the destination may be one of them. */
#define BLOCK 512u

/* Bytes at a DMA address as the CPU sees them. */
struct view {
	char *at;
	size_t bytes;
	bool is_mapped; /* for the while: it lies outside the linear map */
};

/* Wherever it lies. */
static bool find_view(const struct software_desc *desc, dma_addr_t addr, size_t bytes,
		      struct view *view)
{
	phys_addr_t phys;
	uint64_t at;

	if (!berth_dma_to_phys(desc->vd.tx.chan->device->dev, addr, bytes, &phys))
		return false;
	at = phys - berth_port_linear.phys;
	view->is_mapped = at >= berth_port_linear.size;
	if (!view->is_mapped) {
		uint64_t limit = berth_port_linear.size - at;

		view->at = phys_to_virt(phys);
		view->bytes = bytes < limit ? bytes : (size_t)limit;
		return true;
	}
	view->at = kmap_local_page(phys_to_page(phys));
	if (!view->at)
		return false;
	view->at += offset_in_page(phys);
	view->bytes = PAGE_SIZE - offset_in_page(phys);
	view->bytes = view->bytes < bytes ? view->bytes : bytes;
	return true;
}

/* What the short way of dma_map_single() has given goes back the same way. */
static inline bool view_find(const struct software_desc *desc, dma_addr_t addr, size_t bytes,
			     struct view *view)
{
	const struct device *dev = desc->vd.tx.chan->device->dev;
	uint64_t at = addr - dev->map_offset;

	if (at >= dev->map_span || bytes > dev->map_span - at)
		return find_view(desc, addr, bytes, view);
	*view = (struct view){ .at = (char *)dev->map_base + at, .bytes = bytes };
	return true;
}

/* A device's work: what the checker has closed to the program is open to it. */
static inline bool view_get(const struct software_desc *desc, dma_addr_t addr, size_t bytes,
			    struct view *view)
{
	const bool is_there = view_find(desc, addr, bytes, view);

	if (is_there && __builtin_expect(berth_port_trap != NULL, 0))
		berth_port_open_pages((uintptr_t)view->at, view->bytes);
	return is_there;
}

static inline void view_put(const struct view *view)
{
	if (view->is_mapped)
		kunmap_local(view->at);
}

static bool fail(struct software_desc *desc, enum dmaengine_tx_result result)
{
	desc->vd.tx_result.result = result;
	return false;
}

static __attribute__((noinline)) bool copy(struct software_desc *desc, dma_addr_t dst,
					   dma_addr_t src, size_t bytes)
{
	struct view to, from;

	for (; bytes; bytes -= to.bytes, dst += to.bytes, src += to.bytes) {
		if (!view_get(desc, src, bytes, &from))
			return fail(desc, DMA_TRANS_READ_FAILED);
		if (!view_get(desc, dst, from.bytes, &to)) {
			view_put(&from);
			return fail(desc, DMA_TRANS_WRITE_FAILED);
		}
		/* What a client gets for buffers that overlap is its own business, but no crash. */
		memmove(to.at, from.at, to.bytes);
		view_put(&to);
		view_put(&from);
	}
	return true;
}

/* Write bytes that the CPU has, or the descriptor's value if it has none. */
static bool put_bytes(struct software_desc *desc, dma_addr_t dst, const uint8_t *from, size_t bytes)
{
	struct view to;

	for (; bytes; bytes -= to.bytes, dst += to.bytes) {
		if (!view_get(desc, dst, bytes, &to))
			return fail(desc, DMA_TRANS_WRITE_FAILED);
		if (from)
			memcpy(to.at, from, to.bytes);
		else
			memset(to.at, desc->value, to.bytes);
		from = from ? from + to.bytes : NULL;
		view_put(&to);
	}
	return true;
}

/* Mostly both lie where the short way of dma_map_single() reaches. */
bool berth_software_copy(struct software_desc *desc, size_t bytes)
{
	const struct device *dev = desc->vd.tx.chan->device->dev;
	uint64_t to = desc->dst[0] + desc->done - dev->map_offset;
	uint64_t from = desc->src[0] + desc->done - dev->map_offset;
	uint64_t highest = to > from ? to : from;
	char *base = (char *)dev->map_base;

	if (highest >= dev->map_span || bytes > dev->map_span - highest)
		return copy(desc, desc->dst[0] + desc->done, desc->src[0] + desc->done, bytes);
	if (__builtin_expect(berth_port_trap != NULL, 0)) {
		berth_port_open_pages((uintptr_t)(base + to), bytes);
		berth_port_open_pages((uintptr_t)(base + from), bytes);
	}
	memmove(base + to, base + from, bytes);
	return true;
}

bool berth_software_fill(struct software_desc *desc, size_t bytes)
{
	return put_bytes(desc, desc->dst[0] + desc->done, NULL, bytes);
}

bool berth_software_nothing(struct software_desc *desc, size_t bytes)
{
	(void)desc;
	(void)bytes;
	return true;
}

/* Each of the eight bytes times x, in GF(256) over x^8 + x^4 + x^3 + x^2 + 1. */
static uint64_t times_x(uint64_t word)
{
	uint64_t carry = word >> 7 & 0x0101010101010101ull;

	return (word << 1 & 0xfefefefefefefefeull) ^ carry * 0x1d;
}

static uint64_t times(uint64_t word, unsigned int coefficient)
{
	uint64_t product = 0;

	for (; coefficient; coefficient >>= 1, word = times_x(word))
		if (coefficient & 1)
			product ^= word;
	return product;
}

/* @sum += @coefficient * @from */
static void add(uint8_t *sum, const char *from, size_t bytes, unsigned int coefficient)
{
	uint64_t a, b;

	for (; bytes >= 8; bytes -= 8, sum += 8, from += 8) {
		memcpy(&a, sum, 8);
		memcpy(&b, from, 8);
		a ^= coefficient == 1 ? b : times(b, coefficient);
		memcpy(sum, &a, 8);
	}
	for (; bytes; bytes--, sum++, from++)
		*sum ^= (uint8_t)times((uint8_t)*from, coefficient);
}

/* Add what lies at @src to @p and, with the coefficient, to @q; either may be NULL. */
static bool add_source(struct software_desc *desc, dma_addr_t src, size_t bytes, uint8_t *p,
		       uint8_t *q, unsigned int coefficient)
{
	struct view from;

	for (size_t at = 0; at < bytes; at += from.bytes) {
		if (!view_get(desc, src + at, bytes - at, &from))
			return fail(desc, DMA_TRANS_READ_FAILED);
		if (p)
			add(p + at, from.at, from.bytes, 1);
		if (q)
			add(q + at, from.at, from.bytes, coefficient);
		view_put(&from);
	}
	return true;
}

/* The XOR of all sources of one block. */
static bool sum_block(struct software_desc *desc, size_t at, size_t bytes, uint8_t *sum)
{
	memset(sum, 0, bytes);
	for (unsigned int i = 0; i < desc->nr_src; i++)
		if (!add_source(desc, desc->src[i] + at, bytes, sum, NULL, 0))
			return false;
	return true;
}

bool berth_software_xor(struct software_desc *desc, size_t bytes)
{
	uint8_t sum[BLOCK];
	size_t part;

	for (size_t at = desc->done, end = at + bytes; at < end; at += part) {
		part = end - at < BLOCK ? end - at : BLOCK;
		if (!sum_block(desc, at, part, sum) ||
		    !put_bytes(desc, desc->dst[0] + at, sum, part))
			return false;
	}
	return true;
}

bool berth_software_xor_check(struct software_desc *desc, size_t bytes)
{
	uint8_t sum[BLOCK];
	size_t part;

	for (size_t at = desc->done, end = at + bytes; at < end; at += part) {
		part = end - at < BLOCK ? end - at : BLOCK;
		if (!sum_block(desc, at, part, sum))
			return false;
		for (size_t i = 0; i < part; i++)
			desc->is_different |= sum[i] != 0;
	}
	return true;
}

void berth_software_xor_result(struct software_desc *desc)
{
	*desc->check = desc->is_different ? SUM_CHECK_P_RESULT : 0;
}

/* What a syndrome starts from: zero, or what it was so far. */
static bool first_sum(struct software_desc *desc, dma_addr_t dst, size_t bytes, uint8_t *sum)
{
	memset(sum, 0, bytes);
	return !(desc->vd.tx.flags & DMA_PREP_CONTINUE) ||
	       add_source(desc, dst, bytes, sum, NULL, 0);
}

static bool pq_block(struct software_desc *desc, size_t at, size_t bytes)
{
	bool has_p = desc->dst[0] != DMA_MAPPING_ERROR, has_q = desc->dst[1] != DMA_MAPPING_ERROR;
	uint8_t p[BLOCK], q[BLOCK];

	if ((has_p && !first_sum(desc, desc->dst[0] + at, bytes, p)) ||
	    (has_q && !first_sum(desc, desc->dst[1] + at, bytes, q)))
		return false;
	for (unsigned int i = 0; i < desc->nr_src; i++)
		if (!add_source(desc, desc->src[i] + at, bytes, has_p ? p : NULL, has_q ? q : NULL,
				desc->coefficient[i]))
			return false;
	return (!has_p || put_bytes(desc, desc->dst[0] + at, p, bytes)) &&
	       (!has_q || put_bytes(desc, desc->dst[1] + at, q, bytes));
}

bool berth_software_pq(struct software_desc *desc, size_t bytes)
{
	size_t part;

	for (size_t at = desc->done, end = at + bytes; at < end; at += part) {
		part = end - at < BLOCK ? end - at : BLOCK;
		if (!pq_block(desc, at, part))
			return false;
	}
	return true;
}

/* The next run begins behind the gap, or where this one began. */
static void next_run(struct software_desc *desc)
{
	const struct data_chunk *run = &desc->runs[desc->run];

	if (desc->dst_inc)
		desc->run_dst += run->size + run->dst_icg;
	if (desc->src_inc)
		desc->run_src += run->size + run->src_icg;
	desc->run_done = 0;
	desc->run = desc->run + 1 < desc->nr_runs ? desc->run + 1 : 0;
}

bool berth_software_runs(struct software_desc *desc, size_t bytes)
{
	while (bytes) {
		size_t left = desc->runs[desc->run].size - desc->run_done;
		size_t part = left < bytes ? left : bytes;

		if (!copy(desc, desc->run_dst + desc->run_done, desc->run_src + desc->run_done,
			  part))
			return false;
		bytes -= part;
		desc->run_done += part;
		if (part == left)
			next_run(desc);
	}
	return true;
}
