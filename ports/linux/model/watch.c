// SPDX-License-Identifier: BSD-2-Clause
/* What the checker is told of devices, and of the order of a thread's accesses. */
#include <string.h>

#include "model/internal.h"

static const struct berth_port_watch *watch(void)
{
	return __atomic_load_n(&berth_port_watch, __ATOMIC_ACQUIRE);
}

/* The name that its node gives it. */
static const char *name_of(const struct model_device *dev)
{
	const char *name = strrchr(dev->path, '/');

	return name ? name + 1 : dev->path;
}

/*
 * Who is told has a lock with interrupts away, and lets them in when it is released: not here, in the middle
 * of what a device does.
 */
static void keep_away(bool keep)
{
	if (keep)
		berth_port_thread.irq_depth++;
	else
		berth_port_thread.irq_depth--;
}

void watch_device(const struct model_device *dev, uint64_t bus, size_t size, bool is_write)
{
	const struct berth_port_watch *told = watch();

	if (!told || !size)
		return;
	keep_away(true);
	told->cause(soc.cause);
	told->device(name_of(dev), bus, size, is_write);
	keep_away(false);
}

/* What another device writes was brought about by what that one does. */
void watch_told(const struct model_device *dev, bool by_cpu)
{
	const struct berth_port_watch *told = watch();

	if (by_cpu)
		soc.cause = ++soc.nr_told;
	if (!told)
		return;
	keep_away(true);
	told->told(name_of(dev), by_cpu ? soc.cause : 0);
	keep_away(false);
}

void watch_ordered(unsigned int what)
{
	const struct berth_port_watch *told = watch();

	if (told)
		told->ordered(what);
}
