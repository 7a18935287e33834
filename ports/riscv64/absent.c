/* SPDX-License-Identifier: BSD-2-Clause */
/* What a machine without an MMU has not: addresses other than the physical ones. */
#include "internal.h"

static int refuse(int code, uint64_t address, uint64_t size)
{
	static const char subject[] = "another mapping: this port has no MMU";
	struct berth_error *error = berth_port_error();

	memset(error, 0, sizeof(*error));
	memcpy(error->subject, subject, sizeof(subject));
	error->code = code;
	error->reason = BERTH_REASON_MAPPING;
	error->address = address;
	error->length = size;
	return code;
}

void *berth_port_range_reserve(uint64_t size)
{
	refuse(-EOPNOTSUPP, 0, size);
	return NULL;
}

void berth_port_range_release(void *virt, uint64_t size)
{
	(void)virt;
	(void)size;
}

int berth_port_range_map(void *virt, phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	(void)virt;
	(void)type;
	return refuse(-EINVAL, phys, size);
}

void berth_port_range_unmap(void *virt, phys_addr_t phys, uint64_t size,
			    enum berth_memory_type type)
{
	(void)virt;
	(void)phys;
	(void)size;
	(void)type;
}
