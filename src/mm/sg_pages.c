/* SPDX-License-Identifier: BSD-2-Clause */
/* Scatterlists over pages: pages of the caller's, as few entries as they allow, or fresh ones. */
#include <berth/scatterlist.h>
#include <berth/slab.h>

#include "lib/error.h"
#include "lib/string.h"

/*
 * struct source - what is to be appended
 * @pages: pages left, @nr of them
 * @offset: where the first one begins
 * @size: bytes left
 * @max: bytes of an entry, whole pages
 */
struct source {
	struct page **pages;
	uint64_t nr;
	unsigned int offset;
	uint64_t size;
	unsigned int max;
};

static bool is_legal(const struct sg_append_table *table, const struct source *s)
{
	if (s->offset >= PAGE_SIZE || !s->size || !s->max ||
	    s->size > (s->nr << PAGE_SHIFT) - s->offset || (table->prv && s->offset))
		return false;
	/* There is no entry left that could become a link. */
	if (table->prv && sg_is_last(table->prv))
		return false;
	for (uint64_t i = 0; i < PFN_UP(s->offset + s->size); i++)
		if (!s->pages[i])
			return false;
	return true;
}

/* Neighbours in the page array of one bank. */
static bool is_next(const struct page *page, uint64_t nr, const struct page *next)
{
	return next == page + nr && page_to_pfn(next) == page_to_pfn(page) + nr;
}

/* Bytes of the first page that are left. */
static unsigned int first_bytes(const struct source *s)
{
	return (unsigned int)(s->size < PAGE_SIZE - s->offset ? s->size : PAGE_SIZE - s->offset);
}

static void pass_page(struct source *s)
{
	s->size -= first_bytes(s);
	s->offset = 0;
	s->pages++;
	s->nr--;
}

/* Make an entry as long as the pages behind it allow. */
static void extend(struct scatterlist *sg, struct source *s)
{
	while (s->size && s->max - sg->length >= first_bytes(s) && sg->length <= s->max &&
	       !offset_in_page(sg->offset + sg->length) &&
	       is_next(sg_page(sg), (sg->offset + sg->length) >> PAGE_SHIFT, *s->pages)) {
		sg->length += first_bytes(s);
		pass_page(s);
	}
}

/* The entry that the first pages become. */
static void take_run(struct scatterlist *sg, struct source *s)
{
	sg_set_page(sg, *s->pages, first_bytes(s), s->offset);
	pass_page(s);
	extend(sg, s);
}

/* Entries that are needed for all of it. */
static unsigned int count_runs(struct source s)
{
	struct scatterlist sg = { .length = 0 };
	unsigned int runs = 0;

	for (; s.size; runs++)
		take_run(&sg, &s);
	return runs;
}

/*
 * The entry behind @cur, of which @needed more are, and perhaps others later. The last one of a chunk
 * becomes a link if it is not the last one of all: so all chunks but the last are full.
 */
static struct scatterlist *next_entry(struct sg_append_table *table, struct scatterlist *cur,
				      unsigned int needed, bool more, gfp_t gfp)
{
	unsigned int size = SG_MAX_SINGLE_ALLOC;
	struct scatterlist *next = cur ? sg_next(cur) : table->sgt.sgl, *chunk;

	if (next && (!cur || !sg_is_last(next) || (needed == 1 && !more)))
		return next;
	if (!more && needed < size)
		size = needed;
	chunk = kmalloc(size * sizeof(*chunk), gfp);
	if (!chunk)
		return NULL;
	sg_init_table(chunk, size);
	if (next) {
		sg_chain(next, 1, chunk);
		table->total_nents += size - 1;
	} else {
		table->sgt.sgl = chunk;
		table->total_nents = size;
	}
	return chunk;
}

/* All or nothing, but for chunks that the table then has too many. */
static int append(struct sg_append_table *table, struct source *s, bool more, gfp_t gfp)
{
	struct scatterlist *prv = table->prv, *sg = prv;
	unsigned int length = prv ? prv->length : 0, runs;

	if (prv)
		extend(prv, s);
	runs = count_runs(*s);
	for (unsigned int needed = runs; needed; needed--) {
		sg = next_entry(table, sg, needed, more, gfp);
		if (!sg) {
			if (prv)
				prv->length = length;
			return -ENOMEM;
		}
		take_run(sg, s);
	}
	table->sgt.nents = table->sgt.orig_nents += runs;
	table->prv = sg;
	if (!more)
		sg_mark_end(sg);
	return 0;
}

int sg_alloc_append_table_from_pages(struct sg_append_table *sgt_append, struct page **pages,
				     unsigned int n_pages, unsigned int offset, unsigned long size,
				     unsigned int max_segment, unsigned int left_pages, gfp_t gfp)
{
	struct source s = { pages, n_pages, offset, size,
			    max_segment & ~(unsigned int)(PAGE_SIZE - 1) };

	if (!is_legal(sgt_append, &s))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "pages of a scatterlist",
				     size);
	return append(sgt_append, &s, left_pages, gfp);
}

int sg_alloc_table_from_pages_segment(struct sg_table *sgt, struct page **pages,
				      unsigned int n_pages, unsigned int offset, unsigned long size,
				      unsigned int max_segment, gfp_t gfp)
{
	struct sg_append_table table = { .prv = NULL };
	int err = sg_alloc_append_table_from_pages(&table, pages, n_pages, offset, size,
						   max_segment, 0, gfp);

	if (err)
		sg_free_append_table(&table);
	*sgt = table.sgt;
	return err;
}

/* Memory for the entries comes from where the CPU sees it. */
#define LIST_GFP (~(__GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_ZERO))

struct scatterlist *sgl_alloc_order(unsigned long long length, unsigned int order, bool chainable,
				    gfp_t gfp, unsigned int *nent_p)
{
	uint64_t block = PAGE_SIZE << order, nr;
	struct scatterlist *sgl, *sg;

	if (!length || order > MAX_ORDER) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "length of a scatterlist", length);
		return NULL;
	}
	nr = (length - 1) / block + 1;
	/* So many that their size has no number are refused like others that are too large. */
	sgl = kmalloc(nr < SIZE_MAX / sizeof(*sgl) ? ((size_t)nr + chainable) * sizeof(*sgl)
						   : SIZE_MAX,
		      gfp & LIST_GFP);
	if (!sgl)
		return NULL;
	sg_init_table(sgl, (unsigned int)nr + chainable);
	for (sg = sgl; length; sg++) {
		unsigned int bytes = (unsigned int)(length < block ? length : block);
		struct page *page = alloc_pages(gfp, order);

		if (!page) {
			sgl_free_order(sgl, (int)order);
			return NULL;
		}
		sg_set_page(sg, page, bytes, 0);
		length -= bytes;
	}
	if (nent_p)
		*nent_p = (unsigned int)nr;
	return sgl;
}

void sgl_free_n_order(struct scatterlist *sgl, int nents, int order)
{
	struct scatterlist *sg = sgl;

	for (int i = 0; i < nents && sg && sg_page(sg); i++, sg = sg_next(sg))
		__free_pages(sg_page(sg), (unsigned int)order);
	kfree(sgl);
}

void sgl_free_order(struct scatterlist *sgl, int order)
{
	sgl_free_n_order(sgl, INT_MAX, order);
}
