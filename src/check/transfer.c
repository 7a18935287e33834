// SPDX-License-Identifier: BSD-2-Clause
/* Transfers of DMA controllers: which memory they use until they have ended. */
#include "check/check.h"
#include "lib/string.h"

/* A part of the memory of one: those with the same descriptor are one transfer. */
struct check_part {
	struct check_part *next;
	struct check_transfer transfer;
	enum { PREPARED, SUBMITTED, TERMINATED, ENDING } state;
	int32_t cookie;
	char name[64];
	struct berth_check_place place;
};

static struct check_part *parts;

static bool is_busy(const struct check_part *part)
{
	const struct check_transfer *t = &part->transfer;

	if (part->state == SUBMITTED)
		return !t->is_done(t->chan, part->cookie);
	return part->state != PREPARED && !t->is_done(t->chan, -1);
}

static struct check_part *find(const void *desc)
{
	struct check_part *part = parts;

	while (part && part->transfer.desc != desc)
		part = part->next;
	return part;
}

/* Those of a descriptor, or of a channel; NULL: of any. */
static void forget(const void *desc, const void *chan, bool is_ending)
{
	for (struct check_part **at = &parts; *at;) {
		struct check_part *part = *at;

		if ((desc && part->transfer.desc != desc) ||
		    (chan && part->transfer.chan != chan) || (is_ending && part->state != ENDING)) {
			at = &part->next;
			continue;
		}
		*at = part->next;
		check_put(CHECK_OF_PARTS, part);
	}
}

void berth_check_prepared(const struct check_transfer *transfer, const char *name, bool is_first,
			  uintptr_t caller)
{
	unsigned long flags = check_lock();
	struct check_part *part;

	if (is_first)
		forget(transfer->desc, NULL, false);
	part = check_get(CHECK_OF_PARTS, sizeof(*part));
	if (part) {
		part->transfer = *transfer;
		berth_strlcpy(part->name, name, sizeof(part->name));
		check_place_here(&part->place, caller);
		part->next = parts;
		parts = part;
	}
	check_unlock(flags);
}

static void tell(enum berth_check_rule rule, const struct check_part *part, uintptr_t caller)
{
	struct check_record record = {
		.call = { .bus = part->transfer.bus, .size = part->transfer.size },
		.place = part->place,
	};

	record.call.dir = DMA_NONE;
	check_report(rule, &record, part->name, 0, 0, false, caller);
}

bool berth_check_submitting(const void *desc, uintptr_t caller)
{
	unsigned long flags = check_lock();
	const struct check_part *part = find(desc);
	bool is_twice = part && part->state == SUBMITTED && is_busy(part);

	if (is_twice)
		tell(BERTH_CHECK_TRANSFER_TWICE, part, caller);
	check_unlock(flags);
	return !is_twice;
}

void berth_check_submitted(const void *desc, int32_t cookie)
{
	unsigned long flags = check_lock();

	for (struct check_part *part = parts; part; part = part->next) {
		if (part->transfer.desc != desc)
			continue;
		part->state = SUBMITTED;
		part->cookie = cookie;
	}
	check_unlock(flags);
}

void berth_check_descriptor_freed(const void *desc)
{
	unsigned long flags = check_lock();

	forget(desc, NULL, false);
	check_unlock(flags);
}

static void change(const void *chan, int from, int to)
{
	for (struct check_part *part = parts; part; part = part->next)
		if (part->transfer.chan == chan && (int)part->state == from)
			part->state = (unsigned int)to;
}

void berth_check_terminated(const void *chan)
{
	unsigned long flags = check_lock();

	change(chan, SUBMITTED, TERMINATED);
	check_unlock(flags);
}

void berth_check_synchronizing(const void *chan)
{
	unsigned long flags = check_lock();

	change(chan, TERMINATED, ENDING);
	check_unlock(flags);
}

void berth_check_synchronized(const void *chan)
{
	unsigned long flags = check_lock();

	forget(NULL, chan, true);
	check_unlock(flags);
}

void berth_check_channel_going(const void *chan, uintptr_t caller)
{
	unsigned long flags = check_lock();
	const struct check_part *part = parts;

	while (part && (part->transfer.chan != chan || part->state != SUBMITTED || !is_busy(part)))
		part = part->next;
	if (part)
		tell(BERTH_CHECK_TRANSFER_RELEASED, part, caller);
	forget(NULL, chan, false);
	check_unlock(flags);
}

bool check_transfer_uses(const void *dev, dma_addr_t bus, uint64_t size)
{
	for (const struct check_part *part = parts; part; part = part->next) {
		const struct check_transfer *t = &part->transfer;

		if (t->dev != dev || t->bus >= bus + size || bus >= t->bus + t->size ||
		    !is_busy(part))
			continue;
		if (part->state != SUBMITTED)
			check_hint("It was terminated: call dmaengine_synchronize() before.");
		return true;
	}
	return false;
}

void check_transfers_forget(const void *dev)
{
	for (struct check_part *part = parts; part; part = part->next)
		if (part->transfer.dev == dev)
			part->state = ENDING;
	forget(NULL, NULL, true);
}

void check_transfers_reset(void)
{
	parts = NULL;
}
