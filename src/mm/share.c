// SPDX-License-Identifier: BSD-2-Clause
/* Areas of other processes: what they show is shared once, however many show it. */
#include <berth/mutex.h>
#include <berth/port.h>
#include <berth/slab.h>
#include <berth/vm_area.h>

#include "lib/error.h"
#include "lib/string.h"
#include "mm/vma.h"

struct berth_vma_share {
	struct berth_vma_share *next;
	unsigned int users, nr;
	enum berth_memory_type type;
	int handle;
	struct berth_range runs[];
};

/* Held over calls of the port, which may take locks of drivers; of berth's own none is taken inside but kmalloc()'s. */
static struct {
	struct mutex lock;
	struct berth_vma_share *first;
} shares;

static int refuse(const char *subject, uint64_t offset)
{
	return berth_fail_at(-EINVAL, BERTH_REASON_MAPPING, subject, offset);
}

/* The parts as runs; those that continue each other as one. */
static int fill_runs(const struct vm_area_struct *vma, struct berth_vma_share *share)
{
	uint64_t at = 0;

	for (const struct berth_vma_part *part = vma->parts; part; part = part->next) {
		struct berth_range *last = share->nr ? &share->runs[share->nr - 1] : NULL;

		if (part->offset != at)
			return refuse("a hole in a shared area", at);
		if (part->type != share->type)
			return refuse("several memory types in a shared area", at);
		at += part->size;
		if (last && last->base + last->size == part->phys)
			last->size += part->size;
		else
			share->runs[share->nr++] = (struct berth_range){ part->phys, part->size };
	}
	return at == berth_vma_size(vma) ? 0 : refuse("a hole in a shared area", at);
}

static struct berth_vma_share *new_share(const struct vm_area_struct *vma)
{
	struct berth_vma_share *share;
	size_t nr = 0;

	for (const struct berth_vma_part *part = vma->parts; part; part = part->next)
		nr++;
	share = kvmalloc(sizeof(*share) + nr * sizeof(share->runs[0]), GFP_KERNEL);
	if (!share)
		return NULL;
	*share = (struct berth_vma_share){ .users = 1, .type = vma->vm_page_prot };
	if (!fill_runs(vma, share))
		return share;
	kvfree(share);
	return NULL;
}

static struct berth_vma_share *find_same(const struct berth_vma_share *share)
{
	struct berth_vma_share *at = shares.first;

	while (at && (at->nr != share->nr || at->type != share->type ||
		      memcmp(at->runs, share->runs, share->nr * sizeof(share->runs[0]))))
		at = at->next;
	return at;
}

int berth_vma_share(struct vm_area_struct *vma)
{
	struct berth_vma_share *share = new_share(vma), *same;
	int ret;

	if (!share)
		return berth_last_error()->code;
	mutex_lock(&shares.lock);
	same = find_same(share);
	if (same) {
		same->users++;
		vma->share = same;
		ret = same->handle;
	} else {
		ret = share->handle = berth_port_share(share->runs, share->nr, share->type);
	}
	if (!same && ret >= 0) {
		share->next = shares.first;
		shares.first = vma->share = share;
	}
	mutex_unlock(&shares.lock);
	if (vma->share != share)
		kvfree(share);
	return ret;
}

void berth_vma_unshare(struct vm_area_struct *vma)
{
	struct berth_vma_share *share = vma->share, **at = &shares.first;

	vma->share = NULL;
	if (!share)
		return;
	mutex_lock(&shares.lock);
	if (--share->users) {
		share = NULL;
	} else {
		while (*at != share)
			at = &(*at)->next;
		*at = share->next;
		berth_port_unshare(share->handle);
	}
	mutex_unlock(&shares.lock);
	kvfree(share);
}

void berth_vma_shares_reset(void)
{
	shares.first = NULL;
}
