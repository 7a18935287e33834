// SPDX-License-Identifier: BSD-2-Clause
/* The modelled SoC as a machine of the port: settings, chance, the digest, start and stop. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/internal.h"

#define GOLDEN 0x9e3779b97f4a7c15ull
#define MAX_ADDED_TYPES 16
#define SMMU_MAX_ENTRIES 65536u
#define SMMU_MAX_LATENCY_NS 1000000000u

struct soc soc;

static const struct model_device_type *added_types[MAX_ADDED_TYPES];

uint64_t model_mix(uint64_t value)
{
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
	value = (value ^ value >> 27) * 0x94d049bb133111ebull;
	return value ^ value >> 31;
}

static uint32_t draw(uint64_t *state, uint32_t bound)
{
	return (uint32_t)((model_mix(*state += GOLDEN) >> 32) * bound >> 32);
}

uint64_t model_draw(enum chance chance)
{
	return model_mix(soc.chance[chance] += GOLDEN);
}

uint32_t model_chance(enum chance chance, uint32_t bound)
{
	return draw(&soc.chance[chance], bound);
}

/* A device has numbers of its own: more of one device's doings leave the other devices' alone. */
uint32_t model_random(uint32_t bound)
{
	uint32_t value;

	pthread_mutex_lock(&soc.lock);
	value = draw(soc.current ? &box_of(soc.current)->chance : &soc.chance[CHANCE_OTHER], bound);
	pthread_mutex_unlock(&soc.lock);
	return value;
}

static uint64_t absorb(uint64_t digest, uint64_t value)
{
	digest = (digest ^ value) * GOLDEN;
	return digest ^ digest >> 29;
}

void model_note(enum note note, uint64_t a, uint64_t b)
{
	uint64_t digest = absorb(soc.stats.digest, (uint64_t)note << 56 ^ soc.now);

	soc.stats.digest = absorb(absorb(digest, a), b);
}

/* Both halves of the product: every bit of either number tells. */
static inline uint64_t multiply(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/*
 * A multiplication for 16 bytes, in four lanes: one lane alone would wait for each product. What was
 * before tells in every product, so order does. The constant keeps the second word, which is often
 * zero, from wiping out the lane.
 */
static inline void fold(uint64_t lane[4], const uint8_t *block)
{
#pragma GCC unroll 4
	for (unsigned int i = 0; i < 4; i++) {
		uint64_t first, second;

		memcpy(&first, block + 16 * i, 8);
		memcpy(&second, block + 16 * i + 8, 8);
		lane[i] = multiply(lane[i] ^ first, second ^ GOLDEN);
	}
}

void model_note_data(const void *data, size_t size)
{
	const uint8_t *at = data;
	uint64_t lane[4] = { GOLDEN ^ size, GOLDEN * 3, GOLDEN * 5, GOLDEN * 7 };

	for (; size >= 64; size -= 64, at += 64)
		fold(lane, at);
	if (size) {
		uint8_t rest[64] = { 0 };

		memcpy(rest, at, size);
		fold(lane, rest);
	}
	lane[0] = absorb(absorb(lane[0], lane[1]), absorb(lane[2], lane[3]));
	soc.stats.digest = absorb(soc.stats.digest, lane[0]);
}

void model_oom(void)
{
	berth_port_panic("model: out of memory");
}

/* A call of the program's takes some time, more or less @cost_ns; what is due until then happens. */
void model_enter(uint64_t cost_ns)
{
	berth_port_slot();
	pthread_mutex_lock(&soc.lock);
	if (cost_ns)
		sched_advance(soc.now + cost_ns / 2 +
			      model_chance(CHANCE_TIME, (uint32_t)cost_ns + 1));
}

void model_leave(void)
{
	bool is_ready = irq_is_ready();

	__atomic_store_n(&berth_port_irq_pending, is_ready, __ATOMIC_RELAXED);
	if (soc.has_news) {
		soc.has_news = false;
		if (soc.nr_asleep)
			sched_kick();
	}
	pthread_mutex_unlock(&soc.lock);
	if (is_ready)
		irq_deliver();
}

void model_add_type(const struct model_device_type *type)
{
	unsigned int i = 0;

	while (i < MAX_ADDED_TYPES && added_types[i] && added_types[i] != type)
		i++;
	if (i == MAX_ADDED_TYPES)
		berth_port_panic("model: too many kinds of devices");
	added_types[i] = type;
}

const struct model_device_type *model_type(const char *compatible)
{
	for (unsigned int i = 0; i < MAX_ADDED_TYPES && added_types[i]; i++)
		if (!strcmp(added_types[i]->compatible, compatible))
			return added_types[i];
	for (const struct model_device_type *const *type = model_device_types; *type; type++)
		if (!strcmp((*type)->compatible, compatible))
			return *type;
	return NULL;
}

struct model_device *model_find(const char *path)
{
	for (struct model_device *dev = soc.devices; dev; dev = dev->next)
		if (!strcmp(dev->path, path))
			return dev;
	return NULL;
}

void model_lock(void)
{
	pthread_mutex_lock(&soc.lock);
}

void model_unlock(void)
{
	pthread_mutex_unlock(&soc.lock);
}

static pthread_once_t lock_once = PTHREAD_ONCE_INIT;

static void make_lock(void)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&soc.lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
}

uint64_t berth_model_time(void)
{
	return __atomic_load_n(&soc.now, __ATOMIC_RELAXED);
}

void berth_model_stats(struct berth_model_stats *stats)
{
	pthread_once(&lock_once, make_lock);
	pthread_mutex_lock(&soc.lock);
	soc.stats.now_ns = soc.now;
	*stats = soc.stats;
	pthread_mutex_unlock(&soc.lock);
}

/* With the defaults for what is 0. */
static struct berth_model_smmu_config smmu_settings(const struct berth_model_config *config)
{
	static const unsigned int walk_entries[] = { 16, 16, 32 };
	struct berth_model_smmu_config smmu = { 0 };

	if (config->smmu)
		smmu = *config->smmu;
	if (!smmu.iotlb_entries)
		smmu.iotlb_entries = 64;
	for (unsigned int i = 0; i < ARRAY_SIZE(walk_entries); i++)
		if (!smmu.walk_entries[i])
			smmu.walk_entries[i] = walk_entries[i];
	return smmu;
}

static const char *bad_smmu_setting(const struct berth_model_smmu_config *smmu)
{
	if (smmu->iotlb_entries > SMMU_MAX_ENTRIES)
		return "iotlb_entries";
	if (smmu->iotlb_ways && smmu->iotlb_entries % smmu->iotlb_ways)
		return "iotlb_ways";
	for (unsigned int i = 0; i < ARRAY_SIZE(smmu->walk_entries); i++)
		if (smmu->walk_entries[i] > SMMU_MAX_ENTRIES)
			return "walk_entries";
	return smmu->latency_ns > SMMU_MAX_LATENCY_NS ? "latency_ns" : NULL;
}

static const char *bad_setting(const struct berth_model_config *config)
{
	const struct berth_model_smmu_config smmu = smmu_settings(config);
	unsigned int line = config->line_size;

	if (line && line != 32 && line != 64 && line != 128)
		return "line_size";
	if (config->cache > BERTH_MODEL_CACHE_QUIET)
		return "cache";
	if (config->write_back_permille > 1000)
		return "write_back_permille";
	if (config->refill_permille > 1000)
		return "refill_permille";
	if (config->follow_permille > 1000)
		return "follow_permille";
	return bad_smmu_setting(&smmu);
}

static uint32_t limit(unsigned int permille, unsigned int otherwise)
{
	return (permille ? permille : otherwise) * 65536 / 1000;
}

static void configure(const struct berth_model_config *config)
{
	soc.config = *config;
	soc.config.smmu = NULL;
	soc.smmu = smmu_settings(config);
	soc.line = config->line_size ? config->line_size : 64;
	soc.write_back_limit = limit(config->write_back_permille, 125);
	soc.refill_limit = limit(config->refill_permille, 250);
	soc.follow_limit = limit(config->follow_permille, 500);
	for (unsigned int i = 0; i < CHANCES; i++)
		soc.chance[i] = model_mix(config->seed + (i + 1) * GOLDEN);
	cache_set_chances();
	soc.fresh_key = model_mix(config->seed ^ GOLDEN);
	soc.stats = (struct berth_model_stats){ .digest = model_mix(config->seed) };
	__atomic_store_n(&soc.now, 0, __ATOMIC_RELAXED);
	soc.event_number = 0;
	soc.alarm_at = UINT64_MAX;
	soc.pace_ns = 0;
	memset(soc.irqs, 0, sizeof(soc.irqs));
	memset(soc.irqs_ready, 0, sizeof(soc.irqs_ready));
}

static void stop(void)
{
	pthread_mutex_lock(&soc.lock);
	tree_stop();
	mmio_stop();
	ram_stop();
	free(soc.events);
	soc.events = NULL;
	soc.nr_events = soc.max_events = 0;
	soc.fdt = NULL;
	soc.has_news = false;
	pthread_mutex_unlock(&soc.lock);
}

static int start(const void **fdt, const void *config)
{
	static const struct berth_model_config defaults;
	const char *bad = config ? bad_setting(config) : NULL;
	int ret;

	if (!*fdt)
		bad = "board";
	if (bad)
		return berth_port_fail(-EINVAL, BERTH_REASON_ARGUMENT, bad, 0, 0);
	pthread_once(&lock_once, make_lock);
	pthread_mutex_lock(&soc.lock);
	configure(config ? config : &defaults);
	soc.fdt = *fdt;
	ret = mmio_start();
	if (!ret)
		ret = tree_start(*fdt);
	pthread_mutex_unlock(&soc.lock);
	if (ret)
		stop();
	return ret;
}

const struct berth_machine berth_model = {
	.name = "model",
	.start = start,
	.stop = stop,
	.ram = ram_start,
	.remap = ram_remap,
	.unremap = ram_unremap,
	.ram_file = ram_locate,
	.copy = ram_copy,
	.show = view_show,
	.hide = view_hide,
	.share = view_share,
	.unshare = view_unshare,
	.area = view_area,
	.ioremap = mmio_map,
	.iounmap = mmio_unmap,
	.read = mmio_read,
	.write = mmio_write,
	.line_size = cache_line_size,
	.clean = cache_clean,
	.invalidate = cache_invalidate,
	.flush = cache_flush,
	.barrier = sched_barrier,
	.fresh = cache_fresh,
	.can_trap = ram_can_trap,
	.fresh_word = cache_fresh_word,
	.irq_unmask = gic_unmask,
	.irq_mask = gic_mask,
	.irq_poll = irq_deliver,
	.now = sched_now,
	.wait = sched_wait,
	.wake = sched_wake,
	.delay = sched_delay,
	.alarm = irq_alarm,
};
