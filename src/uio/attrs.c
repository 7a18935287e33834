// SPDX-License-Identifier: BSD-2-Clause
/* What /sys/class/uio/uioN shows, in Linux's formats. */
#include <berth/errno.h>
#include <berth/mm.h>

#include "lib/error.h"
#include "lib/printk.h"
#include "uio/uio.h"

typedef unsigned long long ull;

#define ADDRESS "0x%016llx\n"

static long print(char *buf, const char *format, ull value)
{
	return berth_snprintf(buf, PAGE_SIZE, format, value);
}

static long print_text(char *buf, const char *text)
{
	return berth_snprintf(buf, PAGE_SIZE, "%s\n", text ? text : "");
}

static long show_name(const struct uio_info *info, unsigned int index, char *buf)
{
	(void)index;
	return print_text(buf, info->name);
}

static long show_version(const struct uio_info *info, unsigned int index, char *buf)
{
	(void)index;
	return print_text(buf, info->version);
}

static long show_event(const struct uio_info *info, unsigned int index, char *buf)
{
	(void)index;
	return print(buf, "%llu\n", __atomic_load_n(&info->uio_dev->event, __ATOMIC_ACQUIRE));
}

static long show_map_name(const struct uio_info *info, unsigned int index, char *buf)
{
	return print_text(buf, info->mem[index].name);
}

static long show_map_addr(const struct uio_info *info, unsigned int index, char *buf)
{
	const struct uio_mem *mem = &info->mem[index];
	bool is_dma = mem->memtype == UIO_MEM_IOVA || mem->memtype == UIO_MEM_DMA_COHERENT;

	return print(buf, ADDRESS, is_dma ? mem->dma_addr : mem->addr);
}

static long show_map_size(const struct uio_info *info, unsigned int index, char *buf)
{
	return print(buf, ADDRESS, info->mem[index].size);
}

static long show_map_offset(const struct uio_info *info, unsigned int index, char *buf)
{
	return print(buf, "0x%llx\n", info->mem[index].offs);
}

static long show_port_name(const struct uio_info *info, unsigned int index, char *buf)
{
	return print_text(buf, info->port[index].name);
}

static long show_port_start(const struct uio_info *info, unsigned int index, char *buf)
{
	return print(buf, "0x%llx\n", info->port[index].start);
}

static long show_port_size(const struct uio_info *info, unsigned int index, char *buf)
{
	return print(buf, "0x%llx\n", info->port[index].size);
}

static long show_port_type(const struct uio_info *info, unsigned int index, char *buf)
{
	static const char *const types[] = { "none", "x86", "gpio", "other" };
	const int type = info->port[index].porttype;

	if (type < 0 || (unsigned int)type >= ARRAY_SIZE(types))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "porttype",
				     (unsigned int)type);
	return print_text(buf, types[type]);
}

static const struct kind {
	const char *name;
	long (*show)(const struct uio_info *info, unsigned int index, char *buf);
} device_kinds[] = { { "name", show_name }, { "version", show_version }, { "event", show_event } },
  map_kinds[] = { { "name", show_map_name },
		  { "addr", show_map_addr },
		  { "size", show_map_size },
		  { "offset", show_map_offset } },
  port_kinds[] = { { "name", show_port_name },
		   { "start", show_port_start },
		   { "size", show_port_size },
		   { "porttype", show_port_type } };

_Static_assert(ARRAY_SIZE(map_kinds) == UIO_MAP_ATTRS, "room for all");
_Static_assert(ARRAY_SIZE(port_kinds) == UIO_PORT_ATTRS, "room for all");

/* An attribute's index: which kind, of which map or port. */
#define KIND(index) ((index) / 16 % 16)
#define GROUP(index) ((index) / 256)

static const struct kind *const groups[] = { device_kinds, map_kinds, port_kinds };

/* The node is registered: so the driver's record is there. */
static long show(void *priv, const struct berth_node_attr *attr, char *buf)
{
	struct uio_device *idev = priv;
	long ret = -EIO;

	mutex_lock(&idev->lock);
	if (idev->info)
		ret = groups[GROUP(attr->index)][KIND(attr->index)].show(idev->info,
									 attr->index % 16, buf);
	mutex_unlock(&idev->lock);
	return ret;
}

unsigned int berth_uio_attrs(const struct uio_info *info, struct berth_node_attr *attrs,
			     char (*names)[UIO_ATTR_NAME])
{
	unsigned int nr = 0;

	for (unsigned int k = 0; k < ARRAY_SIZE(device_kinds); k++, nr++) {
		berth_snprintf(names[nr], UIO_ATTR_NAME, "%s", device_kinds[k].name);
		attrs[nr] = (struct berth_node_attr){ names[nr], show, 16 * k };
	}
	for (unsigned int i = 0; i < MAX_UIO_MAPS && info->mem[i].size; i++)
		for (unsigned int k = 0; k < UIO_MAP_ATTRS; k++, nr++) {
			berth_snprintf(names[nr], UIO_ATTR_NAME, "maps/map%u/%s", i,
				       map_kinds[k].name);
			attrs[nr] = (struct berth_node_attr){ names[nr], show, 256 + 16 * k + i };
		}
	for (unsigned int i = 0; i < MAX_UIO_PORT_REGIONS && info->port[i].size; i++)
		for (unsigned int k = 0; k < UIO_PORT_ATTRS; k++, nr++) {
			berth_snprintf(names[nr], UIO_ATTR_NAME, "portio/port%u/%s", i,
				       port_kinds[k].name);
			attrs[nr] = (struct berth_node_attr){ names[nr], show, 512 + 16 * k + i };
		}
	return nr;
}
