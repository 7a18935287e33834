// SPDX-License-Identifier: BSD-2-Clause
/* uio_pmem_genirq: memory that the tree has set aside for the device. And syncs of what is mapped cached. */
#include <berth/dma-mapping.h>
#include <berth/mm.h>
#include <berth/port.h>

#include "genirq.h"

#define REGIONS "memory-region"

static int add_region(struct uio_genirq *g, int index, const struct device_node *region)
{
	struct device *dev = &g->pdev->dev;
	struct uio_mem *mem;
	struct berth_range range;

	/* What others may use meanwhile, or the linear map shows cached, is not the device's alone. */
	if (!of_property_read_bool(region, "no-map") || of_property_read_bool(region, "reusable") ||
	    berth_of_address(region, 0, &range) || !range.size ||
	    offset_in_page(range.base | range.size))
		return berth_uio_bad_tree(g, REGIONS, (unsigned int)index);
	mem = berth_uio_add_map(g);
	if (!mem)
		return -EINVAL;
	*mem = (struct uio_mem){
		.memtype = UIO_MEM_IOVA,
		.addr = range.base,
		.size = range.size,
		.is_cached = g->is_cached,
		.dma_device = dev,
		.dma_addr =
			dma_map_resource(dev, range.base, (size_t)range.size, DMA_BIDIRECTIONAL, 0),
		.name = berth_of_node_name(region),
	};
	of_property_read_string_index(dev->of_node, "memory-region-names", index, &mem->name);
	return dma_mapping_error(dev, mem->dma_addr) ? berth_last_error()->code : 0;
}

int berth_uio_pmem_init(struct uio_genirq *g)
{
	const struct device_node *node = g->pdev->dev.of_node, *region;
	int err = 0, length, index = 0;

	g->is_cached = of_property_read_bool(node, "berth,cached");
	g->info.ioctl = berth_uio_sync_ioctl;
	if (!of_get_property(node, REGIONS, &length) || !length || length % 4)
		return berth_uio_bad_tree(g, REGIONS, 0);
	for (; !err && index < length / 4; index++) {
		region = of_parse_phandle(node, REGIONS, index);
		err = region ? add_region(g, index, region)
			     : berth_uio_bad_tree(g, REGIONS, (unsigned int)index);
	}
	return err;
}

void berth_uio_pmem_exit(struct uio_genirq *g)
{
	for (unsigned int i = g->nr_static; i < g->nr_maps; i++)
		if (g->info.mem[i].size && g->info.mem[i].dma_addr != DMA_MAPPING_ERROR)
			dma_unmap_resource(&g->pdev->dev, g->info.mem[i].dma_addr,
					   (size_t)g->info.mem[i].size, DMA_BIDIRECTIONAL, 0);
}

static long refuse(int code, const char *what, uint64_t value)
{
	struct berth_error *error = berth_port_error();

	*error = (struct berth_error){ .code = code,
				       .reason = BERTH_REASON_ARGUMENT,
				       .address = value };
	for (size_t i = 0; what[i] && i < sizeof(error->subject) - 1; i++)
		error->subject[i] = what[i];
	return code;
}

/* No mapping of the DMA API's leads to RAM outside the linear map. */
static void sync_reserved(phys_addr_t phys, uint64_t length, uint32_t flags)
{
	if (flags == BERTH_UIO_SYNC_FOR_DEVICE)
		berth_port_cache_clean(phys, length);
	else
		berth_port_cache_invalidate(phys, length);
}

long berth_uio_sync_ioctl(struct uio_info *info, unsigned int request, unsigned long arg)
{
	struct uio_genirq *g = info->priv;
	struct berth_uio_sync sync;
	const struct uio_mem *mem;

	if (request != BERTH_UIO_SYNC)
		return refuse(-ENOTTY, "ioctl", request);
	__builtin_memcpy(&sync, (const void *)(uintptr_t)arg, sizeof(sync));
	if (sync.map >= g->nr_maps)
		return refuse(-EINVAL, "map of a sync", sync.map);
	mem = &info->mem[sync.map];
	if (sync.offset > PAGE_ALIGN(mem->size) ||
	    sync.length > PAGE_ALIGN(mem->size) - sync.offset)
		return refuse(-EINVAL, "range of a sync", sync.offset);
	if (sync.flags != BERTH_UIO_SYNC_FOR_DEVICE && sync.flags != BERTH_UIO_SYNC_FOR_CPU)
		return refuse(-EINVAL, "flags of a sync", sync.flags);
	if (!mem->is_cached || !sync.length || dev_is_dma_coherent(mem->dma_device))
		return 0;
	if (g->kind == UIO_PMEM)
		sync_reserved(mem->addr + sync.offset, sync.length, sync.flags);
	else if (sync.flags == BERTH_UIO_SYNC_FOR_DEVICE)
		dma_sync_single_for_device(mem->dma_device, mem->dma_addr + sync.offset,
					   (size_t)sync.length, DMA_BIDIRECTIONAL);
	else
		dma_sync_single_for_cpu(mem->dma_device, mem->dma_addr + sync.offset,
					(size_t)sync.length, DMA_BIDIRECTIONAL);
	return 0;
}
