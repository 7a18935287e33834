// SPDX-License-Identifier: BSD-2-Clause
/*
 * uio_dmem_genirq: memory by size and number, which is there while somebody has the device open. The core calls
 * one function at a time, and release() when the mappings of a file have gone, too.
 */
#include <berth/dma-mapping.h>
#include <berth/iommu-driver.h>
#include <berth/mm.h>

#include "genirq.h"

#define SIZES "linux,uio-dynamic-region-sizes"
#define NAMES "berth,uio-dynamic-region-names"
#define BITS "berth,dma-address-bits"

static struct device *dev_of(const struct uio_genirq *g)
{
	return &g->pdev->dev;
}

static bool take_region(struct uio_genirq *g, struct uio_region *region)
{
	if (g->is_cached)
		region->page = dma_alloc_pages(dev_of(g), region->size, &region->dma,
					       DMA_BIDIRECTIONAL, GFP_KERNEL);
	else
		region->virt =
			dma_alloc_coherent(dev_of(g), region->size, &region->dma, GFP_KERNEL);
	return region->page || region->virt;
}

static void give_region(struct uio_genirq *g, struct uio_region *region)
{
	if (region->page)
		dma_free_pages(dev_of(g), region->size, region->page, region->dma,
			       DMA_BIDIRECTIONAL);
	if (region->virt)
		dma_free_coherent(dev_of(g), region->size, region->virt, region->dma);
	region->page = NULL;
	region->virt = NULL;
}

static void give_all(struct uio_genirq *g)
{
	for (unsigned int i = g->nr_static; i < g->nr_maps; i++)
		give_region(g, &g->regions[i]);
	g->has_memory = g->is_kept = false;
}

static int take_all(struct uio_genirq *g)
{
	for (unsigned int i = g->nr_static; i < g->nr_maps; i++)
		if (!take_region(g, &g->regions[i])) {
			const struct berth_error why = *berth_last_error();

			give_all(g);
			*berth_port_error() = why;
			return -ENOMEM;
		}
	g->has_memory = true;
	return 0;
}

/* What programs see of the memory: all of it, or that there is none. */
static void show_all(struct uio_genirq *g, bool is_open)
{
	for (unsigned int i = g->nr_static; i < g->nr_maps; i++) {
		const struct uio_region *region = &g->regions[i];
		struct uio_mem *mem = &g->info.mem[i];

		mem->dma_addr = is_open ? region->dma : DMA_MAPPING_ERROR;
		mem->internal_addr = is_open ? region->virt : NULL;
		mem->addr = is_open && region->page ? page_to_phys(region->page) : 0;
	}
}

/* Memory that an IOMMU takes away at once: then the device cannot reach what has been freed. */
static bool is_protected(const struct uio_genirq *g)
{
	const struct iommu_domain *domain = iommu_get_domain_for_dev(dev_of(g));

	return domain && (domain->type & __IOMMU_DOMAIN_PAGING) &&
	       !(domain->type & __IOMMU_DOMAIN_DMA_FQ);
}

/* Stop the device. True if its memory may be freed. */
static bool stop(struct uio_genirq *g)
{
	const struct berth_error before = *berth_last_error();

	if (!berth_uio_quiesce(g))
		return true;
	*berth_port_error() = before;
	if (is_protected(g)) {
		dev_warn(dev_of(g), "does not stop; its IOMMU keeps it from memory\n");
		return true;
	}
	dev_err(dev_of(g),
		"does not stop, and nothing keeps it from memory: its regions are kept\n");
	return false;
}

/* What it kept, as new: it may still write there, and nowhere else. */
static void clear_all(struct uio_genirq *g)
{
	for (unsigned int i = g->nr_static; i < g->nr_maps; i++) {
		struct uio_region *region = &g->regions[i];

		__builtin_memset(region->page ? page_address(region->page) : region->virt, 0,
				 region->size);
		if (region->page)
			dma_sync_single_for_device(dev_of(g), region->dma, region->size,
						   DMA_BIDIRECTIONAL);
	}
	g->is_kept = false;
}

int berth_uio_dmem_open(struct uio_info *info, struct inode *inode)
{
	struct uio_genirq *g = info->priv;
	int err;

	(void)inode;
	if (!g->users) {
		if (g->is_kept && stop(g))
			give_all(g);
		if (g->is_kept)
			clear_all(g);
		err = g->has_memory ? 0 : take_all(g);
		if (err)
			return err;
		show_all(g, true);
	}
	g->users++;
	return 0;
}

static void end_use(struct uio_genirq *g)
{
	if (stop(g))
		give_all(g);
	else
		g->is_kept = true;
}

int berth_uio_dmem_release(struct uio_info *info, struct inode *inode)
{
	struct uio_genirq *g = info->priv;

	(void)inode;
	if (--g->users)
		return 0;
	show_all(g, false);
	end_use(g);
	return 0;
}

void berth_uio_dmem_end(struct uio_genirq *g)
{
	if (g->has_memory)
		g->is_kept = !stop(g);
}

void berth_uio_dmem_free(struct uio_genirq *g)
{
	if (g->has_memory && !g->is_kept)
		give_all(g);
}

static int add_regions(struct uio_genirq *g)
{
	struct device_node *node = dev_of(g)->of_node;
	uint32_t size;
	int length;

	if (!of_get_property(node, SIZES, &length) || !length || length % 4)
		return berth_uio_bad_tree(g, SIZES, 0);
	for (unsigned int i = 0; i < (unsigned int)length / 4; i++) {
		struct uio_mem *mem = berth_uio_add_map(g);

		if (!mem)
			return -EINVAL;
		if (of_property_read_u32_index(node, SIZES, i, &size) || !size ||
		    size > UINT32_MAX - PAGE_SIZE)
			return berth_uio_bad_tree(g, SIZES, size);
		of_property_read_string_index(node, NAMES, (int)i, &mem->name);
		mem->memtype = g->is_cached ? UIO_MEM_IOVA : UIO_MEM_DMA_COHERENT;
		mem->is_cached = g->is_cached;
		mem->dma_device = dev_of(g);
		mem->size = size;
		g->regions[g->nr_maps - 1].size = PAGE_ALIGN((size_t)size);
	}
	return 0;
}

int berth_uio_dmem_init(struct uio_genirq *g)
{
	struct device_node *node = dev_of(g)->of_node;
	uint32_t bits = 32;
	int err;

	if (of_property_read_bool(node, BITS) &&
	    (of_property_read_u32(node, BITS, &bits) || bits < 12 || bits > 64))
		return berth_uio_bad_tree(g, BITS, bits);
	err = dma_set_mask_and_coherent(dev_of(g), DMA_BIT_MASK(bits));
	if (err)
		return err;
	g->is_cached = of_property_read_bool(node, "berth,cached");
	err = add_regions(g);
	if (err)
		return err;
	show_all(g, false);
	g->info.open = berth_uio_dmem_open;
	g->info.release = berth_uio_dmem_release;
	g->info.ioctl = berth_uio_sync_ioctl;
	return 0;
}
