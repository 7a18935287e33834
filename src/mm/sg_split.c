/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of a scatterlist as lists of their own: both sides, each with pieces of its own length. */
#include <berth/scatterlist.h>
#include <berth/slab.h>

#include "lib/error.h"

/*
 * struct cursor - a place in one side of a list
 * @sg: the entry, @at bytes of it lie behind; @left: entries from it on
 */
struct cursor {
	struct scatterlist *sg;
	uint64_t at;
	int left;
	bool is_dma;
};

static uint32_t length(const struct cursor *c)
{
	return c->is_dma ? sg_dma_len(c->sg) : c->sg->length;
}

static void describe(const struct cursor *c, uint32_t bytes, struct scatterlist *out)
{
	if (!c->is_dma) {
		sg_set_page(out, sg_page(c->sg), bytes, c->sg->offset + (uint32_t)c->at);
		return;
	}
	sg_dma_address(out) = sg_dma_address(c->sg) + c->at;
	sg_dma_len(out) = bytes;
	out->dma_flags = c->sg->dma_flags;
}

/*
 * Go on by @size bytes, describing them in the entries from @out on, if any. Return: how many these
 * are, -1 if the list is too short.
 */
static int pass(struct cursor *c, uint64_t size, struct scatterlist *out)
{
	int nr = 0;

	while (size) {
		uint64_t bytes;

		if (!c->left || !c->sg)
			return -1;
		bytes = length(c) - c->at;
		if (!bytes) {
			c->sg = --c->left ? sg_next(c->sg) : NULL;
			c->at = 0;
			continue;
		}
		bytes = bytes < size ? bytes : size;
		if (out)
			describe(c, (uint32_t)bytes, out++);
		c->at += bytes;
		size -= bytes;
		nr++;
	}
	return nr;
}

/* The next part of the list: both sides from where the cursors are. */
static int split(struct cursor *cpu, struct cursor *dma, size_t size, struct scatterlist **out,
		 int *nr_mapped, gfp_t gfp)
{
	struct cursor cpu_start = *cpu, dma_start = *dma;
	int nr = size ? pass(cpu, size, NULL) : -1;
	int nr_dma = dma->is_dma ? pass(dma, size, NULL) : 0;
	int most = nr_dma > nr ? nr_dma : nr;

	if (nr < 0 || nr_dma < 0)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "part of a scatterlist", size);
	*out = kmalloc((size_t)most * sizeof(**out), gfp);
	if (!*out)
		return -ENOMEM;
	sg_init_table(*out, (unsigned int)most);
	pass(&cpu_start, size, *out);
	if (nr_dma)
		pass(&dma_start, size, *out);
	/* More segments than pieces: the list ends where the CPU side does. */
	if (nr < most)
		sg_mark_end(*out + nr - 1);
	if (nr_mapped)
		*nr_mapped = nr_dma;
	return 0;
}

int sg_split(struct scatterlist *in, int in_mapped_nents, int64_t skip, int nb_splits,
	     const size_t *split_sizes, struct scatterlist **out, int *out_mapped_nents, gfp_t gfp)
{
	struct cursor cpu = { .sg = in, .left = INT_MAX };
	struct cursor dma = { .sg = in, .left = in_mapped_nents, .is_dma = in_mapped_nents };
	int err = 0, i;

	if (skip < 0 || nb_splits < 1 || in_mapped_nents < 0 ||
	    pass(&cpu, (uint64_t)skip, NULL) < 0 ||
	    (in_mapped_nents && pass(&dma, (uint64_t)skip, NULL) < 0))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "bytes before the parts",
				     (uint64_t)skip);
	for (i = 0; i < nb_splits && !err; i++)
		err = split(&cpu, &dma, split_sizes[i], &out[i],
			    out_mapped_nents ? &out_mapped_nents[i] : NULL, gfp);
	if (!err)
		return 0;
	for (i -= 1; i-- > 0;) {
		kfree(out[i]);
		out[i] = NULL;
	}
	return err;
}
