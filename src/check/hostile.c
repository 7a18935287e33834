// SPDX-License-Identifier: BSD-2-Clause
/*
 * A device that is not trusted: what it has written to coherent memory is something else for one load in a few. Then it
 * shows what the program does with such a number. An access is judged by where it leads: to where an array or a
 * structure would have led that has exactly this number as its index or offset, and no such entry. Nothing is
 * guessed: a number that is large enough leads nowhere else by chance.
 */
#include <berth/port.h>

#include "check/order.h"

#define RECENT 8u
/* What was loaded is used soon. */
#define SOON 48u
/* Smaller numbers lead to other objects, too. */
#define LARGE (1u << 28)
/* As far as the first entry may be from where the object begins, and a member from an address. */
#define HEADER 64u
#define MEMBER 256u

/*
 * struct recent - a load of coherent memory
 * @value, @was: what the program has got; what the device had written
 * @is_made_up: it is not what the device wrote
 * @at, @bus: where, and of the whole memory its first byte as the CPU sees it, and as the device does
 * @access: when, in accesses
 */
struct recent {
	const struct check_thread *thread;
	uint64_t value, was, access, size;
	bool is_made_up;
	uintptr_t at, virt, caller;
	uint64_t length;
	dma_addr_t bus;
};

static struct recent recent[RECENT];
static unsigned int nr_recent;
static uint64_t accesses, state;

/* What is not as it was: put back as soon as the load is over. */
static struct {
	uintptr_t at;
	uint64_t size, was, is;
} changed;

uint64_t check_hostile;
size_t (*check_object_size)(const void *object);

static uint64_t get(uintptr_t at, uint64_t size)
{
	switch (size) {
	case 1:
		return __atomic_load_n((const uint8_t *)at, __ATOMIC_RELAXED);
	case 2:
		return __atomic_load_n((const uint16_t *)at, __ATOMIC_RELAXED);
	case 4:
		return __atomic_load_n((const uint32_t *)at, __ATOMIC_RELAXED);
	default:
		return __atomic_load_n((const uint64_t *)at, __ATOMIC_RELAXED);
	}
}

static void put(uintptr_t at, uint64_t size, uint64_t value)
{
	switch (size) {
	case 1:
		__atomic_store_n((uint8_t *)at, (uint8_t)value, __ATOMIC_RELAXED);
		break;
	case 2:
		__atomic_store_n((uint16_t *)at, (uint16_t)value, __ATOMIC_RELAXED);
		break;
	case 4:
		__atomic_store_n((uint32_t *)at, (uint32_t)value, __ATOMIC_RELAXED);
		break;
	default:
		__atomic_store_n((uint64_t *)at, value, __ATOMIC_RELAXED);
		break;
	}
}

void check_hostile_restore(void)
{
	if (changed.size && get(changed.at, changed.size) == changed.is)
		put(changed.at, changed.size, changed.was);
	changed.size = 0;
}

static uint64_t draw(void)
{
	uint64_t x = state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* Too large, negative, one too many, not aligned, nothing. */
static uint64_t make_up(uint64_t value, uint64_t size)
{
	const uint64_t mask = UINT64_MAX >> (64 - 8 * size);
	const uint64_t way = draw();

	switch (way % 6) {
	case 0:
		return mask;
	case 1:
		return 0;
	case 2:
		return (value + 1) & mask;
	case 3:
		return value ^ ((mask >> 1) + 1);
	default:
		return (value + LARGE + (way >> 40) * 2 + 1) & mask;
	}
}

/* Before the load, with the lock. */
void check_hostile_load(const struct check_thread *self, uintptr_t at, uint64_t size,
			uintptr_t caller)
{
	const struct check_record *record = check_record_at(at, 0);
	const struct check_word *word = check_word(at, false);
	struct recent *load;

	if (!record || size > ORDER_WORD || size & (size - 1) || at % size)
		return;
	load = &recent[nr_recent++ % RECENT];
	*load = (struct recent){
		.thread = self,
		.value = get(at, size),
		.was = get(at, size),
		.access = accesses,
		.size = size,
		.at = at,
		.virt = record->call.virt,
		.length = record->call.size,
		.bus = record->call.bus,
		.caller = caller,
	};
	if (!word || !word->dev_write || draw() % 3)
		return;
	changed.at = at;
	changed.size = size;
	changed.was = load->was;
	load->value = changed.is = make_up(load->value, size);
	load->is_made_up = changed.is != changed.was;
	put(at, size, changed.is);
}

/* Does an object begin there that @at is not in? */
static bool is_outside(uintptr_t object, uintptr_t at)
{
	size_t (*const ask)(const void *) = __atomic_load_n(&check_object_size, __ATOMIC_RELAXED);
	const uint64_t size = ask ? ask((const void *)object) : 0;

	return size && at - object >= size;
}

/* The number is an address of the device's, and the access where that lies for the CPU, far from the memory's own. */
static bool is_behind_address(const struct recent *load, uintptr_t at)
{
	const uint64_t offset = load->value - load->bus, inside = at - load->virt;

	return inside >= load->length && load->was - load->bus < load->length &&
	       load->value - load->was + LARGE > 2ull * LARGE &&
	       (inside - offset <= HEADER || inside - (uint32_t)offset <= HEADER);
}

static bool is_wild(const struct recent *load, uintptr_t at)
{
	static const uint8_t sizes[] = { 1, 2, 4, 8, 12, 16, 20, 24, 32, 40, 48, 64 };

	if (!load->is_made_up || load->size < 4)
		return false;
	if (is_behind_address(load, at))
		return true;
	if (load->value < LARGE)
		return false;
	for (unsigned int i = 0; i < sizeof(sizes); i++) {
		const uintptr_t first = at - (uintptr_t)load->value * sizes[i];

		if (first - load->virt <= HEADER && at - load->virt >= load->length)
			return true;
		for (uintptr_t object = first & ~(uintptr_t)7; first - object <= HEADER;
		     object -= 8)
			if (is_outside(object, at))
				return true;
	}
	return false;
}

/* An address of the CPU's, and not of the device's, which may be the same numbers elsewhere. */
static bool is_pointer(const struct recent *load, uintptr_t at)
{
	const struct berth_port_linear *linear = &berth_port_linear;
	const uintptr_t value = (uintptr_t)load->value;

	return load->size == sizeof(uintptr_t) && at - value < MEMBER &&
	       linear->virt != (uintptr_t)linear->phys &&
	       (value - linear->virt < linear->size || value - load->virt < load->length);
}

static void report(enum berth_check_rule rule, const struct recent *load, uintptr_t at,
		   uint64_t size, bool is_store, uintptr_t caller)
{
	unsigned long flags = check_lock();
	const struct check_finding finding = {
		.rule = rule,
		.record = check_record_at(load->at, 0),
		.at = at,
		.size = size,
		.is_store = is_store,
		.caller = caller,
		.other = load->caller,
	};

	check_report_finding(&finding);
	check_unlock(flags);
}

/* Any access of the program's, before it is made. Without the lock: the allocators are asked. */
void check_hostile_access(uintptr_t at, uint64_t size, bool is_store, uintptr_t caller)
{
	const struct check_thread *self;
	struct recent loads[RECENT];
	const unsigned int slot = berth_port_slot();
	unsigned long flags = check_lock();

	check_hostile_restore();
	self = check_thread_at(slot);
	accesses++;
	for (unsigned int i = 0; i < RECENT; i++) {
		loads[i] = recent[i];
		if (recent[i].thread != self || accesses - recent[i].access > SOON)
			loads[i].size = 0;
	}
	check_unlock(flags);
	for (unsigned int i = 0; self && i < RECENT; i++) {
		enum berth_check_rule rule = BERTH_CHECK_NOTHING;

		if (loads[i].size && is_pointer(&loads[i], at))
			rule = BERTH_CHECK_DEVICE_POINTER;
		else if (loads[i].size && is_wild(&loads[i], at))
			rule = BERTH_CHECK_WILD_ACCESS;
		if (rule != BERTH_CHECK_NOTHING) {
			report(rule, &loads[i], at, size, is_store, caller);
			return;
		}
	}
}

void check_hostile_forget(uintptr_t at, uint64_t size)
{
	if (changed.size && check_overlap(changed.at, changed.size, at, size))
		check_hostile_restore();
	for (unsigned int i = 0; i < RECENT; i++)
		if (check_overlap(recent[i].at, 1, at, size))
			recent[i].thread = NULL;
}

void check_hostile_reset(uint64_t seed)
{
	check_hostile = state = seed;
	accesses = nr_recent = 0;
	changed.size = 0;
	__builtin_memset(recent, 0, sizeof(recent));
}
