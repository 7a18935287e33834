/* SPDX-License-Identifier: BSD-2-Clause */
/* What a machine without an MMU has not: addresses other than the physical ones. */
#include "internal.h"

static const char mapping[] = "another mapping: this port has no MMU";

static int refuse(int code, const char *subject, uint64_t address, uint64_t size)
{
	struct berth_error *error = berth_port_error();

	memset(error, 0, sizeof(*error));
	for (size_t i = 0; subject[i] && i < sizeof(error->subject) - 1; i++)
		error->subject[i] = subject[i];
	error->code = code;
	error->reason = subject == mapping ? BERTH_REASON_MAPPING : BERTH_REASON_CAPABILITY;
	error->address = address;
	error->length = size;
	return code;
}

void *berth_port_range_reserve(uint64_t size)
{
	refuse(-EOPNOTSUPP, mapping, 0, size);
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
	return refuse(-EINVAL, mapping, phys, size);
}

void berth_port_range_unmap(void *virt, phys_addr_t phys, uint64_t size,
			    enum berth_memory_type type)
{
	(void)virt;
	(void)phys;
	(void)size;
	(void)type;
}
