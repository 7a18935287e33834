/* SPDX-License-Identifier: BSD-2-Clause */
/* There are no other processes. */
#include <berth/errno.h>
#include <berth/port.h>

int berth_port_share(const struct berth_range *runs, unsigned int nr, enum berth_memory_type type)
{
	static const char subject[] = "other processes: not in this port";
	struct berth_error *error = berth_port_error();

	(void)type;
	__builtin_memset(error, 0, sizeof(*error));
	__builtin_memcpy(error->subject, subject, sizeof(subject));
	error->code = -EOPNOTSUPP;
	error->reason = BERTH_REASON_MAPPING;
	error->address = nr ? runs[0].base : 0;
	return -EOPNOTSUPP;
}

void berth_port_unshare(int handle)
{
	(void)handle;
}
