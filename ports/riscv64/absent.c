/* SPDX-License-Identifier: BSD-2-Clause */
/* What this port has not: addresses other than the physical ones, memory that moves, threads. */
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

void *berth_port_user_reserve(uint64_t size)
{
	refuse(-EOPNOTSUPP, mapping, 0, size);
	return NULL;
}

void berth_port_user_release(void *virt, uint64_t size)
{
	(void)virt;
	(void)size;
}

int berth_port_user_map(void *virt, phys_addr_t phys, uint64_t size, enum berth_port_access access)
{
	(void)virt;
	(void)access;
	return refuse(-EINVAL, mapping, phys, size);
}

int berth_port_user_protect(void *virt, uint64_t size, enum berth_port_access access)
{
	(void)access;
	return refuse(-EINVAL, mapping, (uintptr_t)virt, size);
}

int berth_port_user_move(const struct berth_port_view *views, unsigned int nr, phys_addr_t from,
			 phys_addr_t to, uint64_t size)
{
	(void)views;
	(void)nr;
	(void)to;
	return refuse(-EINVAL, mapping, from, size);
}

int berth_port_worker_start(struct berth_port_worker **worker, void (*work)(void *data), void *data)
{
	(void)work;
	(void)data;
	*worker = NULL;
	return refuse(-ENOSYS, "threads: not in this port", 0, 0);
}

void berth_port_worker_kick(struct berth_port_worker *worker)
{
	(void)worker;
}

void berth_port_worker_stop(struct berth_port_worker *worker)
{
	(void)worker;
}
