/* SPDX-License-Identifier: BSD-2-Clause */
/* What memory-region and memory-region-names say: which areas are for a device. */
#include <berth/of_reserved_mem.h>

#include "board/board.h"
#include "dma/buffers.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/string.h"

static int refuse(int code, const struct device_node *np, uint64_t index)
{
	return berth_fail_at(code, BERTH_REASON_RESERVED,
			     np ? berth_of_node_name(np) : "memory-region", index);
}

static struct berth_reserved *region_of_phandle(uint32_t phandle)
{
	for (unsigned int i = 0; i < berth_nr_reserved; i++)
		if ((berth_reserved[i].area || berth_reserved[i].is_coherent) &&
		    berth_reserved[i].phandle == phandle)
			return &berth_reserved[i];
	return NULL;
}

/* What an entry is, if it is an area or a pool of coherent memory. */
static struct berth_reserved *region_at(const struct device_node *np, uint32_t index)
{
	uint32_t phandle;

	if (of_property_read_u32_index(np, "memory-region", index, &phandle))
		return NULL;
	return region_of_phandle(phandle);
}

/* The area of an entry; NULL if it is none. */
static struct cma *area_at(const struct device_node *np, uint32_t index)
{
	struct berth_reserved *region = region_at(np, index);

	return region ? region->area : NULL;
}

/* The pool of a reservation, made when it is first asked for. */
static struct coherent_pool *pool_of(struct berth_reserved *res)
{
	if (!res->pool)
		res->pool = berth_coherent_pool_create(res->base, res->size, !res->is_nomap);
	return res->pool;
}

static int set_region(struct device *dev, struct berth_reserved *region)
{
	if (region->area) {
		berth_device_set_cma(dev, region->area);
		return 0;
	}
	if (!pool_of(region))
		return berth_last_error()->code;
	/* What memory-region says first was given to it already. */
	berth_coherent_pool_leave(dev->p);
	return berth_device_set_pool(dev, region->pool);
}

int berth_of_set_region(struct device *dev, const struct device_node *np)
{
	struct berth_reserved *region = NULL;
	uint32_t phandle;

	for (uint32_t i = 0;
	     !region && !of_property_read_u32_index(np, "memory-region", i, &phandle); i++)
		region = region_of_phandle(phandle);
	return region ? set_region(dev, region) : 0;
}

int berth_reserved_set_default(void)
{
	for (unsigned int i = 0; i < berth_nr_reserved; i++) {
		struct berth_reserved *res = &berth_reserved[i];

		if (!res->is_coherent || !res->is_dma_default)
			continue;
		if (!pool_of(res))
			return berth_last_error()->code;
		berth_coherent_pool_set_default(res->pool);
		break;
	}
	return 0;
}

const struct berth_reserved *berth_of_restricted(const struct device_node *np)
{
	uint32_t phandle;

	for (uint32_t i = 0; !of_property_read_u32_index(np, "memory-region", i, &phandle); i++)
		for (unsigned int n = 0; n < berth_nr_reserved; n++)
			if (berth_reserved[n].is_restricted && berth_reserved[n].phandle == phandle)
				return &berth_reserved[n];
	return NULL;
}

static int index_of(const struct device_node *np, const char *wanted)
{
	const char *name;

	for (int i = 0; !of_property_read_string_index(np, "memory-region-names", i, &name); i++)
		if (!berth_strcmp(name, wanted))
			return i;
	return -1;
}

int of_reserved_mem_device_init_by_idx(struct device *dev, struct device_node *np, int idx)
{
	const struct device_node *target;
	struct berth_reserved *region;

	if (!dev || !np)
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, dev ? "np" : "dev");
	target = idx < 0 ? NULL : of_parse_phandle(np, "memory-region", idx);
	if (!target || !of_device_is_available(target))
		return refuse(-ENODEV, np, (uint64_t)idx);
	region = region_at(np, (uint32_t)idx);
	return region ? set_region(dev, region) : refuse(-EINVAL, target, (uint64_t)idx);
}

int of_reserved_mem_device_init_by_name(struct device *dev, struct device_node *np,
					const char *name)
{
	int index;

	if (!dev || !np || !name)
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "memory-region-names");
	index = index_of(np, name);
	if (index < 0)
		return refuse(-EINVAL, np, 0);
	return of_reserved_mem_device_init_by_idx(dev, np, index);
}

void of_reserved_mem_device_release(struct device *dev)
{
	berth_device_set_cma(dev, NULL);
	berth_coherent_pool_leave(dev->p);
}

static const struct device_node *node_of(const struct device *dev)
{
	while (dev && !dev->of_node)
		dev = dev->parent;
	return dev ? dev->of_node : NULL;
}

struct cma *berth_device_cma_of_kind(const struct device *dev, const char *kind)
{
	const struct device_node *np = node_of(dev);
	int index = np && kind ? index_of(np, kind) : -1;
	struct cma *area = index < 0 ? NULL : area_at(np, (uint32_t)index);

	if (!area)
		refuse(-ENODEV, np, (uint64_t)index);
	return area;
}

const char *berth_device_kind(const struct device *dev, unsigned int index, struct cma **area)
{
	const struct device_node *np = node_of(dev);
	const char *name;

	for (int i = 0; !of_property_read_string_index(np, "memory-region-names", i, &name); i++) {
		struct cma *found = area_at(np, (uint32_t)i);

		if (!found || index--)
			continue;
		if (area)
			*area = found;
		return name;
	}
	return NULL;
}
