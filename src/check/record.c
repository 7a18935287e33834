// SPDX-License-Identifier: BSD-2-Clause
/* What is mapped and allocated now, found by device address and by the CPU's; and what was not long ago. */
#include "check/check.h"
#include "lib/device.h"
#include "lib/string.h"

/* What was removed: the last ones of each device, of so many devices; the others share. */
#define RINGS 16u
#define GONE 256u

static struct check_node *by_bus, *by_virt;
struct ring {
	struct check_record *gone;
	uint64_t nr;
};
static struct ring rings[RINGS];
static uint64_t ring_size, nr_added;

#define DEVICES 128u

static struct {
	char name[64];
	const void *dev;
	bool is_foreign;
} devices[DEVICES];
static unsigned int nr_devices;

static struct check_record *of_bus(struct check_node *node)
{
	return container_of(node, struct check_record, by_bus);
}

static struct check_record *of_virt(struct check_node *node)
{
	return container_of(node, struct check_record, by_virt);
}

static void insert(struct check_node **root, struct check_node *node, uint64_t first, uint64_t size)
{
	node->first = first;
	node->last = first + (size ? size - 1 : 0);
	check_tree_insert(root, node);
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

static struct ring *ring_of(const void *dev)
{
	unsigned int i = 0;

	while (i < nr_devices && devices[i].dev != dev)
		i++;
	return &rings[i < RINGS ? i : RINGS - 1];
}

struct check_record *check_record_add(const struct check_call *call)
{
	struct check_record *record = check_get(CHECK_OF_RECORDS, sizeof(*record));

	if (!record)
		return NULL;
	record->call = *call;
	berth_strlcpy(record->name, call->name ? call->name : "", sizeof(record->name));
	record->call.name = record->name;
	if (call->place)
		record->place = *call->place;
	else
		check_place_here(&record->place, call->caller);
	record->call.place = NULL;
	record->order = ++nr_added;
	insert(&by_bus, &record->by_bus, call->bus, call->size);
	if (call->dev)
		note_device(record->name, call->dev, false);
	if (call->virt)
		insert(&by_virt, &record->by_virt, call->virt, call->size);
	return record;
}

void check_record_move(struct check_record *record, uintptr_t virt)
{
	if (record->call.virt)
		check_tree_remove(&by_virt, &record->by_virt);
	record->call.virt = virt;
	if (virt)
		insert(&by_virt, &record->by_virt, virt, record->call.size);
}

void check_record_remove(struct check_record *record)
{
	check_tree_remove(&by_bus, &record->by_bus);
	if (record->call.virt)
		check_tree_remove(&by_virt, &record->by_virt);
	if (ring_size) {
		struct ring *ring = ring_of(record->call.dev);

		ring->gone[ring->nr++ % ring_size] = *record;
	}
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

struct search {
	const struct check_call *call;
	const void *dev, *owner;
	dma_addr_t bus;
	unsigned int points;
	uint64_t before;
	struct check_record *best;
};

static bool look_at_fit(struct check_node *node, void *data)
{
	struct check_record *record = of_bus(node);
	struct search *search = data;
	unsigned int points = fit(record, search->call);

	/* Of several alike the oldest. */
	if (points && (points > search->points ||
		       (points == search->points && record->order < search->best->order))) {
		search->best = record;
		search->points = points;
	}
	return false;
}

struct check_record *check_record_find(const struct check_call *call)
{
	struct search search = { .call = call };

	check_tree_each(by_bus, call->bus, call->bus, look_at_fit, &search);
	return search.best;
}

const struct check_record *check_record_gone(const struct check_call *call)
{
	const struct ring *ring = ring_of(call->dev);

	for (uint64_t i = ring->nr; i && i + ring_size > ring->nr; i--) {
		const struct check_record *r = &ring->gone[(i - 1) % ring_size];

		if (r->call.bus == call->bus && r->call.dev == call->dev)
			return r;
	}
	return NULL;
}

const struct check_record *check_record_gone_around(const void *dev, dma_addr_t bus)
{
	const struct ring *ring = ring_of(dev);

	for (uint64_t i = ring->nr; i && i + ring_size > ring->nr; i--) {
		const struct check_record *r = &ring->gone[(i - 1) % ring_size];

		if (r->call.dev == dev && bus - r->call.bus < r->call.size)
			return r;
	}
	return NULL;
}

static bool take_newest(struct search *search, struct check_record *record)
{
	if (!search->best || record->order > search->best->order)
		search->best = record;
	return false;
}

static bool look_around(struct check_node *node, void *data)
{
	struct check_record *record = of_bus(node);
	struct search *search = data;

	return record->call.dev == search->dev &&
	       search->bus - record->call.bus < record->call.size && take_newest(search, record);
}

struct check_record *check_record_around(const void *dev, dma_addr_t bus)
{
	struct search search = { .dev = dev, .bus = bus };

	check_tree_each(by_bus, bus, bus, look_around, &search);
	return search.best;
}

static bool look_at(struct check_node *node, void *data)
{
	return take_newest(data, of_virt(node));
}

struct check_record *check_record_at(uintptr_t at, uintptr_t near)
{
	struct search search = { 0 };

	check_tree_each(by_virt, at - near, at + near, look_at, &search);
	return search.best;
}

struct visitor {
	void (*visit)(struct check_record *record, void *data);
	void *data;
};

static bool visit_one(struct check_node *node, void *data)
{
	const struct visitor *visitor = data;

	visitor->visit(of_virt(node), visitor->data);
	return false;
}

void check_record_overlaps(uintptr_t first, uintptr_t last,
			   void (*visit)(struct check_record *record, void *data), void *data)
{
	struct visitor visitor = { visit, data };

	check_tree_each(by_virt, first, last, visit_one, &visitor);
}

static bool look_at_oldest(struct check_node *node, void *data)
{
	struct check_record *record = of_bus(node);
	struct search *search = data;

	if (record->call.dev == search->dev &&
	    (!search->best || record->order < search->best->order))
		search->best = record;
	return false;
}

struct check_record *check_record_first(const void *dev)
{
	struct search search = { .dev = dev };

	check_tree_each(by_bus, 0, UINT64_MAX, look_at_oldest, &search);
	return search.best;
}

void check_records_reset(size_t size)
{
	struct check_record *gone;

	by_bus = by_virt = NULL;
	__builtin_memset(rings, 0, sizeof(rings));
	nr_added = 0;
	nr_devices = 0;
	/* A sixteenth of the memory is for what was. */
	ring_size = size / 16 / RINGS / sizeof(*gone);
	ring_size = ring_size < GONE ? ring_size : GONE;
	gone = check_take(RINGS * (size_t)ring_size * sizeof(*gone));
	for (unsigned int i = 0; gone && i < RINGS; i++)
		rings[i].gone = gone + i * ring_size;
	if (!gone)
		ring_size = 0;
}

static bool see_error(struct check_node *node, void *data)
{
	struct check_record *record = of_bus(node);
	const struct search *search = data;

	if (record->call.dev == search->dev && record->call.bus == search->bus)
		record->is_error_seen = true;
	return false;
}

void check_record_error_seen(const void *dev, dma_addr_t bus)
{
	struct search search = { .dev = dev, .bus = bus };

	check_tree_each(by_bus, bus, bus, see_error, &search);
}

static bool look_for_memory(struct check_node *node, void *data)
{
	struct check_record *record = of_virt(node);
	struct search *search = data;

	return record->call.virt == search->call->virt && check_is_memory(record->call.kind) &&
	       take_newest(search, record);
}

static bool look_at_owner(struct check_node *node, void *data)
{
	struct check_record *record = of_bus(node);
	struct search *search = data;

	return record->call.dev == search->dev && record->call.owner == search->owner &&
	       record->order < search->before && take_newest(search, record);
}

struct check_record *check_record_owned(const void *dev, const void *owner, uint64_t before)
{
	struct search search = { .dev = dev, .owner = owner, .before = before };

	check_tree_each(by_bus, 0, UINT64_MAX, look_at_owner, &search);
	return search.best;
}

struct check_record *check_record_of_virt(const struct check_call *call)
{
	struct search search = { .call = call };

	check_tree_each(by_virt, call->virt, call->virt, look_for_memory, &search);
	return search.best;
}

struct named {
	const char *name;
	bool (*visit)(struct check_record *record, void *data);
	void *data;
	struct check_record *found;
};

static bool visit_named(struct check_node *node, void *data)
{
	struct check_record *record = of_bus(node);
	struct named *named = data;

	if (!record->call.dev || berth_strcmp(record->name, named->name) ||
	    !named->visit(record, named->data))
		return false;
	named->found = record;
	return true;
}

struct check_record *check_record_each(const char *name,
				       bool (*visit)(struct check_record *record, void *data),
				       void *data)
{
	struct named named = { name, visit, data, NULL };

	check_tree_each(by_bus, 0, UINT64_MAX, visit_named, &named);
	return named.found;
}

bool check_record_has_gone_sibling(const struct check_record *record)
{
	const struct ring *ring = ring_of(record->call.dev);

	for (uint64_t i = ring->nr; i && i + ring_size > ring->nr; i--) {
		const struct check_record *r = &ring->gone[(i - 1) % ring_size];

		if (r->call.dev == record->call.dev &&
		    check_is_same_place(&r->place, &record->place))
			return true;
	}
	return false;
}
