// SPDX-License-Identifier: BSD-2-Clause
/* What pools hand out and take back. */
#include "check/check.h"

void berth_check_owner_going(const void *dev, const char *name, const void *owner,
			     enum berth_check_rule rule, uintptr_t caller)
{
	unsigned long flags = check_lock();
	struct check_record *record = check_record_owned(dev, owner, UINT64_MAX);

	if (record)
		check_report(rule, record, name, 0, 0, false, caller);
	check_unlock(flags);
}

/* From now on it is followed there, or (0) nowhere. */
static void move(struct check_record *record, uintptr_t virt)
{
	const uint8_t rights = record->is_with_cpu ? 0 : check_rights(record->call.dir);

	if (record->call.virt)
		check_shadow_clear(record->call.virt, record->call.size,
				   SHADOW_DEV_READ | SHADOW_DEV_WRITE | SHADOW_MAPPED |
					   SHADOW_WRITTEN);
	check_record_move(record, virt);
	if (virt)
		check_shadow_set(virt, record->call.size, SHADOW_MAPPED | rights);
}

void berth_check_seen_at(const void *dev, dma_addr_t bus, uintptr_t virt)
{
	unsigned long flags = check_lock();
	struct check_record *record = check_record_around(dev, bus);

	if (record && record->call.kind == CHECK_TABLE && record->call.virt != virt)
		move(record, virt);
	check_unlock(flags);
}

void berth_check_unseen_at(const void *dev, uintptr_t virt)
{
	unsigned long flags = check_lock();
	struct check_record *record = check_record_at(virt, 0);

	if (record && record->call.kind == CHECK_TABLE && record->call.dev == dev &&
	    record->call.virt == virt)
		move(record, 0);
	check_unlock(flags);
}

/* A page, or one more part of one: parts come back one by one, and which one is not said. */
void berth_check_handed_out(const struct check_call *call, unsigned int from, unsigned int len)
{
	unsigned long flags = check_lock();
	struct check_record *record = check_record_find(call);

	if (record && (record->call.kind != CHECK_PAGE_POOL || record->call.dev != call->dev))
		record = NULL;
	if (!record) {
		record = check_record_add(call);
		if (!record)
			goto out;
		record->is_error_seen = true;
		record->is_with_cpu = true;
		check_shadow_set(call->virt, call->size, SHADOW_MAPPED);
	}
	record->users++;
	record->is_fresh = true;
	/* A pool that does not sync leaves it to the driver, to which it may not matter. */
	record->is_loose = !len;
	if (len)
		check_shadow_cleaned(call->virt + from, len);
	if (len)
		check_shadow_set(call->virt + from, len, check_rights(call->dir));
out:
	check_unlock(flags);
}

void berth_check_handed_back(const struct check_call *call)
{
	unsigned long flags = check_lock();
	struct check_record *record = check_record_find(call);

	if (record && record->call.kind == CHECK_PAGE_POOL && record->call.dev == call->dev &&
	    --record->users == 0)
		check_record_drop(record);
	check_unlock(flags);
}
