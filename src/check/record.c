// SPDX-License-Identifier: BSD-2-Clause
/* What is mapped and allocated now, found by device address and by the CPU's; and what was not long ago. */
#include "check/check.h"
#include "lib/device.h"
#include "lib/string.h"

#define ROWS 4096u
#define GONE 256u

static struct check_record *rows[ROWS];
static struct check_record gone[GONE];
static uint64_t nr_added, nr_gone, longest;

#define DEVICES 128u

static struct {
	char name[64];
	const void *dev;
	bool is_foreign;
} devices[DEVICES];
static unsigned int nr_devices;

static unsigned int row_of(dma_addr_t bus)
{
	return (unsigned int)((bus >> 12) * 0x9e3779b97f4a7c15ull >> 52) % ROWS;
}

const void *check_device_of(const char *name)
{
	for (unsigned int i = 0; i < nr_devices; i++)
		if (!berth_strcmp(devices[i].name, name))
			return devices[i].dev;
	return NULL;
}

bool check_device_is_foreign(const char *name)
{
	for (unsigned int i = 0; i < nr_devices; i++)
		if (!berth_strcmp(devices[i].name, name))
			return devices[i].is_foreign;
	return true;
}

/* A name is kept for good: the device may be gone, and still write. */
static void note_device(const char *name, const void *dev, bool is_foreign)
{
	unsigned int i = 0;

	while (i < nr_devices && berth_strcmp(devices[i].name, name))
		i++;
	if (i == DEVICES)
		return;
	if (i == nr_devices) {
		berth_strlcpy(devices[i].name, name, sizeof(devices[0].name));
		devices[i].is_foreign = false;
		nr_devices++;
	}
	devices[i].dev = dev;
	devices[i].is_foreign |= is_foreign;
}

void berth_check_unseen(struct device *dev)
{
	if (berth_check_is_on())
		berth_check_foreign(dev);
}

void berth_check_foreign(struct device *dev)
{
	unsigned long flags = check_lock();

	note_device(dev_name(dev), dev, true);
	check_unlock(flags);
}

struct check_record *check_record_add(const struct check_call *call)
{
	struct check_record *record = check_get(CHECK_OF_RECORDS, sizeof(*record));
	unsigned int row = row_of(call->bus);

	if (!record)
		return NULL;
	record->call = *call;
	berth_strlcpy(record->name, call->name ? call->name : "", sizeof(record->name));
	record->call.name = record->name;
	check_place_here(&record->place, call->caller);
	record->order = ++nr_added;
	record->next = rows[row];
	rows[row] = record;
	if (call->size > longest)
		longest = call->size;
	if (call->dev)
		note_device(record->name, call->dev, false);
	if (call->virt)
		check_shadow_link(record);
	return record;
}

void check_record_remove(struct check_record *record)
{
	struct check_record **link = &rows[row_of(record->call.bus)];

	while (*link != record)
		link = &(*link)->next;
	*link = record->next;
	if (record->call.virt)
		check_shadow_unlink(record);
	gone[nr_gone++ % GONE] = *record;
	check_put(CHECK_OF_RECORDS, record);
}

/* How well a record fits a call that ends it: 0 not at all. */
static unsigned int fit(const struct check_record *record, const struct check_call *call)
{
	unsigned int points = 1;

	if (record->call.bus != call->bus)
		return 0;
	if (record->call.dev == call->dev)
		points += 16;
	if (record->call.kind == call->kind)
		points += 8;
	if (record->call.size == call->size)
		points += 4;
	if (record->call.dir == call->dir)
		points += 2;
	if (record->call.owner == call->owner)
		points += 1;
	return points;
}

struct check_record *check_record_find(const struct check_call *call)
{
	struct check_record *best = NULL;
	unsigned int most = 0;

	for (struct check_record *r = rows[row_of(call->bus)]; r; r = r->next) {
		unsigned int points = fit(r, call);

		/* Of several alike the oldest. */
		if (points && (points > most || (points == most && r->order < best->order))) {
			best = r;
			most = points;
		}
	}
	return best;
}

const struct check_record *check_record_gone(const struct check_call *call)
{
	for (uint64_t i = nr_gone; i && i + GONE > nr_gone; i--) {
		const struct check_record *r = &gone[(i - 1) % GONE];

		if (r->call.bus == call->bus && r->call.dev == call->dev)
			return r;
	}
	return NULL;
}

const struct check_record *check_record_gone_around(const void *dev, dma_addr_t bus)
{
	for (uint64_t i = nr_gone; i && i + GONE > nr_gone; i--) {
		const struct check_record *r = &gone[(i - 1) % GONE];

		if (r->call.dev == dev && bus - r->call.bus < r->call.size)
			return r;
	}
	return NULL;
}

struct check_record *check_record_around(const void *dev, dma_addr_t bus)
{
	for (uint64_t back = 0; back <= longest + 4096 && back <= bus + 4096; back += 4096) {
		for (struct check_record *r = rows[row_of(bus - back)]; r; r = r->next)
			if (r->call.dev == dev && bus - r->call.bus < r->call.size)
				return r;
		if (bus < back)
			break;
	}
	return NULL;
}

struct check_record *check_record_at(uintptr_t at, uintptr_t near)
{
	struct check_record *best = NULL;

	for (const struct check_link *link = check_shadow_links(at); link; link = link->next) {
		const struct check_call *call = &link->record->call;

		if (at + near >= call->virt && at < call->virt + call->size + near &&
		    (!best || link->record->order > best->order))
			best = link->record;
	}
	return best;
}

struct check_record *check_record_first(const void *dev)
{
	struct check_record *first = NULL;

	for (unsigned int row = 0; row < ROWS; row++)
		for (struct check_record *r = rows[row]; r; r = r->next)
			if (r->call.dev == dev && (!first || r->order < first->order))
				first = r;
	return first;
}

void check_records_reset(void)
{
	__builtin_memset(rows, 0, sizeof(rows));
	nr_added = nr_gone = longest = 0;
	nr_devices = 0;
}

void check_record_error_seen(const void *dev, dma_addr_t bus)
{
	for (struct check_record *r = rows[row_of(bus)]; r; r = r->next)
		if (r->call.dev == dev && r->call.bus == bus)
			r->is_error_seen = true;
}

struct check_record *check_record_owned(const void *dev, const void *owner)
{
	for (unsigned int row = 0; row < ROWS; row++)
		for (struct check_record *r = rows[row]; r; r = r->next)
			if (r->call.dev == dev && r->call.owner == owner)
				return r;
	return NULL;
}

struct check_record *check_record_of_virt(const struct check_call *call)
{
	const struct check_link *link = check_shadow_links(call->virt);

	while (link &&
	       (link->record->call.virt != call->virt || !check_is_memory(link->record->call.kind)))
		link = link->next;
	return link ? link->record : NULL;
}

struct check_record *check_record_each(const char *name,
				       bool (*visit)(struct check_record *record, void *data),
				       void *data)
{
	for (unsigned int row = 0; row < ROWS; row++)
		for (struct check_record *r = rows[row]; r; r = r->next)
			if (r->call.dev && !berth_strcmp(r->name, name) && visit(r, data))
				return r;
	return NULL;
}

bool check_record_has_gone_sibling(const struct check_record *record)
{
	for (uint64_t i = nr_gone; i && i + GONE > nr_gone; i--) {
		const struct check_record *r = &gone[(i - 1) % GONE];

		if (r->call.dev == record->call.dev &&
		    check_is_same_place(&r->place, &record->place))
			return true;
	}
	return false;
}
