// SPDX-License-Identifier: BSD-2-Clause
/* Memory that is free: nobody looks at that here but the checker. */
#include <berth/port.h>

void berth_port_do_poison(const void *addr, size_t size)
{
	const struct berth_port_watch *watch = __atomic_load_n(&berth_port_watch, __ATOMIC_ACQUIRE);

	if (watch)
		watch->freed(addr, size);
}
