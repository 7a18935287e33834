/* SPDX-License-Identifier: BSD-2-Clause */
/* No threads: what would be their work is done where it arises. */
#include <berth/errno.h>
#include <berth/port.h>

int berth_port_worker_start(struct berth_port_worker **worker, void (*work)(void *data), void *data)
{
	static const char subject[] = "threads: not in this port";
	struct berth_error *error = berth_port_error();

	(void)work;
	(void)data;
	*worker = NULL;
	__builtin_memset(error, 0, sizeof(*error));
	__builtin_memcpy(error->subject, subject, sizeof(subject));
	error->code = -ENOSYS;
	error->reason = BERTH_REASON_CAPABILITY;
	return -ENOSYS;
}

void berth_port_worker_kick(struct berth_port_worker *worker)
{
	(void)worker;
}

void berth_port_worker_stop(struct berth_port_worker *worker)
{
	(void)worker;
}
