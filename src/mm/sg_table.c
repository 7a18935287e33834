/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables of scatterlists: lists in chunks, each of which ends in a link to the next. */
#include <berth/scatterlist.h>
#include <berth/slab.h>

#include "lib/error.h"
#include "lib/string.h"

static struct scatterlist *kmalloc_chunk(unsigned int nents, gfp_t gfp)
{
	return kmalloc(nents * sizeof(struct scatterlist), gfp);
}

static void kfree_chunk(struct scatterlist *sgl, unsigned int nents)
{
	(void)nents;
	kfree(sgl);
}

int __sg_alloc_table(struct sg_table *table, unsigned int nents, unsigned int max_ents,
		     struct scatterlist *first_chunk, unsigned int nents_first_chunk, gfp_t gfp,
		     sg_alloc_fn *alloc_fn)
{
	unsigned int max = nents_first_chunk ? nents_first_chunk : max_ents;
	struct scatterlist *sgl = first_chunk, *last = NULL;
	unsigned int left = nents, size, last_size = 0;

	memset(table, 0, sizeof(*table));
	if (!nents || max_ents < 2 || !first_chunk != !nents_first_chunk ||
	    (nents_first_chunk == 1 && nents > 1))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "entries of a scatterlist",
				     nents);
	for (; left; left -= size, max = max_ents) {
		unsigned int all = left < max ? left : max;

		if (!sgl)
			sgl = alloc_fn(all, gfp);
		if (!sgl) {
			/* The last entry of the last chunk has not become a link. */
			if (last)
				table->nents = ++table->orig_nents;
			return -ENOMEM;
		}
		sg_init_table(sgl, all);
		size = left > max ? all - 1 : all;
		if (last)
			sg_chain(last, last_size, sgl);
		else
			table->sgl = sgl;
		table->nents = table->orig_nents += size;
		last = sgl;
		last_size = all;
		sgl = NULL;
	}
	return 0;
}

void __sg_free_table(struct sg_table *table, unsigned int max_ents, unsigned int nents_first_chunk,
		     sg_free_fn *free_fn, unsigned int num_ents)
{
	unsigned int max = nents_first_chunk ? nents_first_chunk : max_ents;
	struct scatterlist *sgl = table->sgl, *next;
	bool keep = nents_first_chunk;

	while (sgl && num_ents) {
		bool linked = num_ents > max;
		unsigned int all = linked ? max : num_ents;

		next = linked ? sg_chain_ptr(&sgl[max - 1]) : NULL;
		num_ents -= linked ? max - 1 : all;
		if (!keep)
			free_fn(sgl, all);
		sgl = next;
		keep = false;
		max = max_ents;
	}
	memset(table, 0, sizeof(*table));
}

int sg_alloc_table(struct sg_table *table, unsigned int nents, gfp_t gfp)
{
	int err = __sg_alloc_table(table, nents, SG_MAX_SINGLE_ALLOC, NULL, 0, gfp, kmalloc_chunk);

	if (err)
		sg_free_table(table);
	return err;
}

void sg_free_table(struct sg_table *table)
{
	__sg_free_table(table, SG_MAX_SINGLE_ALLOC, 0, kfree_chunk, table->orig_nents);
}

void sg_free_append_table(struct sg_append_table *sgt_append)
{
	__sg_free_table(&sgt_append->sgt, SG_MAX_SINGLE_ALLOC, 0, kfree_chunk,
			sgt_append->total_nents);
	memset(sgt_append, 0, sizeof(*sgt_append));
}
