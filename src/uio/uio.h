/* SPDX-License-Identifier: BSD-2-Clause */
/* A UIO device from the inside. */
#ifndef BERTH_UIO_UIO_H
#define BERTH_UIO_UIO_H

#include <berth/fs.h>
#include <berth/kref.h>
#include <berth/mutex.h>
#include <berth/uio.h>

/* What one directory under maps/ or portio/ shows. */
#define UIO_MAP_ATTRS 4u
#define UIO_PORT_ATTRS 4u
#define UIO_MAX_ATTRS (3u + UIO_MAP_ATTRS * MAX_UIO_MAPS + UIO_PORT_ATTRS * MAX_UIO_PORT_REGIONS)
#define UIO_ATTR_NAME 32u

/*
 * struct uio_device - what programs have open; they hold it
 * @lock: of @info, and held while a function of the driver's runs for a program. Taken before what those take
 * @info: NULL once it is unregistered
 * @gone_info: for its gone(); NULL: it has none
 * @node: of /dev, while @info is there
 * @wait: tells of events and of the end
 * @event: how many
 * @is_gone: as @info, for those who wait
 */
struct uio_device {
	struct kref kref;
	struct mutex lock;
	struct uio_info *info;
	struct uio_info *gone_info;
	struct berth_node *node;
	struct wait_queue_head wait;
	uint32_t event;
	bool is_gone;
};

/* The attributes of a device, at most UIO_MAX_ATTRS; how many. Names go to @names. */
unsigned int berth_uio_attrs(const struct uio_info *info, struct berth_node_attr *attrs,
			     char (*names)[UIO_ATTR_NAME]);

/* Show a map, with the lock; its size has been checked. */
int berth_uio_show_map(const struct uio_mem *mem, struct vm_area_struct *vma);

#endif
