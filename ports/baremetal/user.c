/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that may move: not here yet. What is missing is a fault that sleeps: the ports' vectors handle all
 * faults on one small stack per CPU, with interrupts away, and mean to end the machine.
 */
#include <berth/errno.h>
#include <berth/port.h>

static int refuse(int code, uint64_t address, uint64_t size)
{
	static const char subject[] = "memory that moves: not in this port";
	struct berth_error *error = berth_port_error();

	__builtin_memset(error, 0, sizeof(*error));
	__builtin_memcpy(error->subject, subject, sizeof(subject));
	error->code = code;
	error->reason = BERTH_REASON_MAPPING;
	error->address = address;
	error->length = size;
	return code;
}

void *berth_port_user_reserve(uint64_t size)
{
	refuse(-EOPNOTSUPP, 0, size);
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
	return refuse(-EINVAL, phys, size);
}

int berth_port_user_protect(void *virt, uint64_t size, enum berth_port_access access)
{
	(void)access;
	return refuse(-EINVAL, (uintptr_t)virt, size);
}

int berth_port_user_move(const struct berth_port_view *views, unsigned int nr, phys_addr_t from,
			 phys_addr_t to, uint64_t size)
{
	(void)views;
	(void)nr;
	(void)to;
	return refuse(-EINVAL, from, size);
}
