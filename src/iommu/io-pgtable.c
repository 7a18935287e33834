// SPDX-License-Identifier: BSD-2-Clause
/* Page tables of an IOMMU: how they begin and end. */
#include <berth/io-pgtable.h>
#include <berth/slab.h>

#include "iommu/pgtable.h"
#include "lib/error.h"
#include "mm/internal.h"

static const struct {
	enum io_pgtable_fmt fmt;
	const struct pgtable_format *format;
} formats[] = {
	{ ARM_64_LPAE_S1, &berth_arm_lpae_s1 },
};

static const struct pgtable_format *find_format(enum io_pgtable_fmt fmt)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (formats[i].fmt == fmt)
			return formats[i].format;
	berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "io-pgtable: format", (uint64_t)fmt);
	return NULL;
}

static void set_up(struct pgtable *pt)
{
	pt->plain = !pt->shape.high && !pt->shape.address_right;
	pt->plain_valid = pt->plain ? pt->format->valid : 0;
	pt->clean = !pt->cfg.coherent_walk;
	pt->top = (uint8_t)(pt->shape.levels - 1);
	pt->last_iova = UINT64_MAX >> (64 - pt->cfg.ias);
	pt->last_phys = UINT64_MAX >> (64 - pt->cfg.oas);
	pt->page_mask = (1ULL << pt->shape.page_shift) - 1;
	pt->virt = (uintptr_t)phys_to_virt(0);
	for (unsigned int i = 0; i < ARRAY_SIZE(pt->taken_out); i++)
		pt->taken_out[i] = NO_PAGE;
	pt->valid = pt->format->valid;
	pt->kind = pt->format->kind;
	pt->link = pt->format->link;
	pt->address = pt->shape.address;
	pt->bits = pt->shape.bits;
	pt->index_mask = (1u << pt->bits) - 1;
	pt->sizes = pt->cfg.pgsize_bitmap;
	for (unsigned int level = 0; level <= pt->shape.levels; level++)
		pt->shifts[level] = (uint8_t)(pt->shape.page_shift + level * pt->bits);
	for (unsigned int shift = 0; shift < ARRAY_SIZE(pt->by_shift); shift++)
		pt->by_shift[shift] = (struct pgtable_size){ PGTABLE_MAX_LEVELS - 1, 128 };
	for (unsigned int level = 0; level < pt->shape.levels; level++)
		if (pt->sizes >> pt->shifts[level] & 1)
			pt->by_shift[pt->shifts[level]] =
				(struct pgtable_size){ (uint8_t)level, level ? 64 : 0 };
	pt->top_shift = pt->shifts[pt->top];
	for (int prot = 0; prot < 64; prot++)
		if (prot & (IOMMU_READ | IOMMU_WRITE)) {
			pt->leaf[prot] = pt->format->leaf(prot) | pt->format->page;
			pt->leaf[prot + 64] = pt->format->leaf(prot) | pt->format->block;
		}
	for (unsigned int level = 0; level < 2; level++) {
		bool is_there = level < pt->shape.levels && pt->sizes >> pt->shifts[level] & 1;

		pt->one[level].size = 1ULL << pt->shifts[is_there ? level : 0];
		for (unsigned int prot = 0; prot < 64; prot++)
			pt->one[level].leaf[prot] = pt->leaf[level * 64 + prot];
	}
	pt->now = pt->walkers[0];
	pt->is_simple = pt->plain && !pt->clean && pt->sizes >> pt->shifts[0] & 1;
	pt->add_run = pt->cfg.tlb ? pt->cfg.tlb->tlb_add_run : NULL;
	pt->ops = (struct io_pgtable_ops){
		.map_pages = pt->is_simple ? berth_pgtable_map : berth_pgtable_map_many,
		.unmap_pages = pt->is_simple ? berth_pgtable_unmap : berth_pgtable_unmap_many,
		.iova_to_phys = berth_pgtable_iova_to_phys,
	};
}

/* Most often all tables are in the bank that the root is in. */
static void find_bank(struct pgtable *pt)
{
	uint64_t pfn = page_to_pfn(virt_to_page(pt->root));

	for (unsigned int i = 0; i < berth_nr_mem_maps; i++) {
		const struct berth_mem_map *bank = &berth_mem_map[i];

		if (pfn - bank->pfn >= bank->nr)
			continue;
		pt->bank_virt = (uintptr_t)phys_to_virt(PFN_PHYS(bank->pfn));
		pt->bank_nr = bank->nr;
		pt->count_bias = (uintptr_t)&bank->pages[0].index - (pt->bank_virt >> 8);
	}
}

static uint64_t root_size(const struct pgtable *pt)
{
	return sizeof(uint64_t) << (pt->cfg.ias - level_shift(pt, pt->top));
}

/* The root may be smaller than a table, and larger than a page. */
static bool new_root(struct pgtable *pt)
{
	gfp_t gfp = GFP_ATOMIC | __GFP_ZERO | (pt->cfg.oas <= 32 ? __GFP_DMA32 : 0);
	unsigned int order = get_order(root_size(pt));
	struct page *page = alloc_pages(gfp, order);

	if (!page)
		return false;
	pt->root = page_address(page);
	if (virt_to_phys(pt->root) > pt->last_phys) {
		struct berth_error *error =
			berth_error_set(-ENOMEM, BERTH_REASON_MASK, "page table");

		error->address = virt_to_phys(pt->root);
		error->limit = pt->last_phys;
		__free_pages(page, order);
		return false;
	}
	page->index = PGTABLE_NO_KEY << 32;
	find_bank(pt);
	for (unsigned int i = 0; i < PGTABLE_HINTS; i++)
		pt->hints[i] = pt->root;
	clean_entries(pt, pt->root, root_size(pt) / sizeof(uint64_t));
	berth_port_dma_wmb();
	return true;
}

struct io_pgtable_ops *alloc_io_pgtable_ops(enum io_pgtable_fmt fmt, struct io_pgtable_cfg *cfg,
					    void *cookie)
{
	const struct pgtable_format *format = find_format(fmt);
	struct pgtable_shape shape = { 0 };
	struct pgtable *pt;

	if (!format || format->shape(cfg, &shape))
		return NULL;
	pt = kzalloc(sizeof(*pt), GFP_ATOMIC);
	if (!pt)
		return NULL;
	pt->format = format;
	pt->shape = shape;
	pt->cookie = cookie;
	pt->cfg = *cfg;
	set_up(pt);
	if (!new_root(pt)) {
		kfree(pt);
		return NULL;
	}
	format->finish(cfg, &shape, virt_to_phys(pt->root));
	return &pt->ops;
}

void free_io_pgtable_ops(struct io_pgtable_ops *ops)
{
	struct pgtable *pt;

	if (!ops)
		return;
	pt = container_of(ops, struct pgtable, ops);
	if (pt->cfg.tlb && pt->cfg.tlb->tlb_flush_all)
		pt->cfg.tlb->tlb_flush_all(pt->cookie);
	berth_pgtable_free_all(pt);
	virt_to_page(pt->root)->index = 0;
	__free_pages(virt_to_page(pt->root), get_order(root_size(pt)));
	kfree(pt);
}
