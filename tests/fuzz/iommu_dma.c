// SPDX-License-Identifier: BSD-2-Clause
/* The DMA API behind an IOMMU: what was mapped moves its bytes, and nothing else is in the tables. */
#include "iommu_world.h"

#define NR_SLOTS 12u
#define SLOT 20480u
#define UNTOUCHED 0x5a
#define MAX_PIECES 5u

enum kind { NOTHING, SINGLE, LIST, RESOURCE, COHERENT };

/*
 * struct stream - a mapping, in a slot of its own of memory that is side by side
 * @pages: granules of the default domain that it takes
 * @expected: what its bytes should be
 * @is_cpus: the CPU owns it
 */
static struct stream {
	enum kind kind;
	struct client *client;
	enum dma_data_direction dir;
	dma_addr_t addr;
	size_t offset, size;
	uint64_t pages;
	bool is_cpus;
	void *virt;
	struct scatterlist sg[MAX_PIECES];
	unsigned int nr, nr_segments;
	uint8_t expected[SLOT];
} streams[NR_SLOTS];
static uint8_t *arena;

static uint8_t *slot_of(const struct stream *s)
{
	return arena + SLOT * (size_t)(s - streams);
}

static uint64_t granules(dma_addr_t addr, uint64_t size)
{
	return ((addr + size + world.granule - 1) >> world.shift) - (addr >> world.shift);
}

static void check_tables(const struct party *party)
{
	if (party->protection != BERTH_PROTECT_PASSTHROUGH)
		MUST(count_pages(to_fuzz(party->home)) == party->nr_pages);
}

static bool has_own_pages(const struct stream *s)
{
	return s->client->party->protection == BERTH_PROTECT_LAZY ||
	       s->client->party->protection == BERTH_PROTECT_STRICT;
}

/* All addresses of a stream, for its device. */
static bool access_all(struct stream *s, uint8_t *bytes, bool is_write)
{
	struct scatterlist *sg = s->sg;
	size_t at = 0;

	if (s->kind != LIST)
		return device_access(s->client, s->addr, bytes, s->size, is_write);
	for (unsigned int i = 0; i < s->nr_segments; i++, sg = sg_next(sg)) {
		if (!device_access(s->client, sg_dma_address(sg), bytes + at, sg_dma_len(sg),
				   is_write))
			return false;
		at += sg_dma_len(sg);
	}
	MUST(at == s->size);
	return true;
}

/* The bytes of a stream where the CPU has them: to or from @expected. */
static void cpu_side(struct stream *s, bool is_check)
{
	size_t at = 0;
	unsigned int nr = s->kind == LIST ? s->nr : 1;

	for (unsigned int i = 0; i < nr; i++) {
		uint8_t *bytes = s->kind == COHERENT ? s->virt
				 : s->kind == SINGLE ? slot_of(s) + s->offset
						     : sg_virt(&s->sg[i]);
		size_t size = s->kind == LIST ? s->sg[i].length : s->size;

		if (is_check)
			MUST(!memcmp(bytes, s->expected + at, size));
		else
			memcpy(bytes, s->expected + at, size);
		at += size;
	}
}

static void new_bytes(struct stream *s)
{
	uint8_t first = take();

	for (size_t i = 0; i < s->size; i++)
		s->expected[i] = (uint8_t)(first + i * 7);
}

/* What is beside a stream, in its slot, is as it was. */
static void check_rest(const struct stream *s)
{
	const uint8_t *slot = slot_of(s);
	size_t end = s->offset + s->size;

	if (s->kind == LIST)
		end = (size_t)((uint8_t *)sg_virt(&s->sg[s->nr - 1]) - slot) +
		      s->sg[s->nr - 1].length;
	for (size_t i = 0; i < SLOT; i++)
		if (i < s->offset || i >= end)
			MUST(slot[i] == UNTOUCHED);
}

static void device_turn(struct stream *s, bool is_write)
{
	static uint8_t bytes[SLOT];
	bool by_page = has_own_pages(s);

	if (is_write && s->dir == DMA_TO_DEVICE) {
		/* The tables do not let it. */
		if (by_page && s->kind != RESOURCE)
			MUST(!access_all(s, s->expected, true));
		return;
	}
	if (is_write) {
		new_bytes(s);
		MUST(access_all(s, s->expected, true));
	} else if (s->dir != DMA_FROM_DEVICE) {
		MUST(access_all(s, bytes, false));
		MUST(!memcmp(bytes, s->expected, s->size));
	}
}

/* A trusted device's pages lead to the memory itself, and allow what the direction says. */
static void check_pages(const struct stream *s, dma_addr_t addr, phys_addr_t phys, size_t size)
{
	const struct client *c = s->client;
	int prot = s->dir == DMA_BIDIRECTIONAL ? IOMMU_READ | IOMMU_WRITE
		   : s->dir == DMA_TO_DEVICE   ? IOMMU_READ
					       : IOMMU_WRITE;

	if (!has_own_pages(s) || (c->is_untrusted && s->kind != RESOURCE))
		return;
	if (s->kind == RESOURCE)
		prot |= IOMMU_MMIO;
	else if (c->is_coherent)
		prot |= IOMMU_CACHE;
	MUST(((addr ^ phys) & (world.granule - 1)) == 0);
	for (uint64_t i = 0; i < granules(addr, size); i++) {
		dma_addr_t at = (addr & ~(world.granule - 1)) + (i << world.shift);
		word want =
			(((phys & ~(world.granule - 1)) + (i << world.shift)) | prot_word(prot));

		MUST((walk(to_fuzz(c->party->home), at) & ~(word)IN_BLOCK) == want);
		MUST((look_up(to_fuzz(c->party->home), at) & ~(word)IN_BLOCK) == want);
	}
}

/* It is mapped: who and what is known. */
static void begin(struct stream *s)
{
	struct party *party = s->client->party;

	s->is_cpus = false;
	party->nr_live++;
	party->nr_pages += s->pages;
	check_tables(party);
	if (s->kind == RESOURCE || s->kind == COHERENT)
		return;
	device_turn(s, false);
	/* Nothing is promised of bytes that a device does not write. */
	if (s->dir == DMA_FROM_DEVICE)
		device_turn(s, true);
}

static bool may_fail(const struct client *c)
{
	MUST(berth_last_error()->code);
	check_tables(c->party);
	if (world.fails || c->party->protection == BERTH_PROTECT_SHADOW)
		return true;
	return c->party->sees != DEFAULT && berth_last_error()->reason == BERTH_REASON_OWNED;
}

static void map_single(struct stream *s)
{
	s->kind = SINGLE;
	s->offset = take2() % (SLOT - 1);
	s->size = 1 + (take() & 1 ? take() : take2()) % (SLOT - s->offset);
	new_bytes(s);
	cpu_side(s, false);
	s->addr = dma_map_single(s->client->dev, slot_of(s) + s->offset, s->size, s->dir);
	if (dma_mapping_error(s->client->dev, s->addr)) {
		MUST(may_fail(s->client));
		memset(slot_of(s), UNTOUCHED, SLOT);
		s->kind = NOTHING;
		return;
	}
	s->pages = has_own_pages(s) ? granules(s->addr, s->size) : 0;
	begin(s);
	check_pages(s, s->addr, virt_to_phys(slot_of(s) + s->offset), s->size);
}

static void map_sg(struct stream *s)
{
	size_t at = s->offset = take2() % 4096, size = 0;
	struct scatterlist *sg;

	s->kind = LIST;
	s->nr = 1 + take_below(MAX_PIECES);
	sg_init_table(s->sg, s->nr);
	for (unsigned int i = 0; i < s->nr; i++) {
		size_t left = (SLOT - at) / (s->nr - i), piece = 1 + take2() % (left - 64);
		/* Next to the one before, or at the start of a page, or anywhere. */
		unsigned int how = take();

		if (i && how & 1 && ((at + 4095) & ~(size_t)4095) + piece + 64 * MAX_PIECES < SLOT)
			at = (at + 4095) & ~(size_t)4095;
		sg_set_buf(&s->sg[i], slot_of(s) + at, (unsigned int)piece);
		size += piece;
		at += piece;
		if (at + 64 * (MAX_PIECES + 1) >= SLOT) {
			s->nr = i + 1;
			sg_mark_end(&s->sg[i]);
		}
	}
	s->size = size;
	new_bytes(s);
	memset(slot_of(s) + s->offset, UNTOUCHED, SLOT - s->offset);
	cpu_side(s, false);
	s->nr_segments = (unsigned int)dma_map_sg(s->client->dev, s->sg, (int)s->nr, s->dir);
	if (!s->nr_segments) {
		MUST(may_fail(s->client));
		memset(slot_of(s), UNTOUCHED, SLOT);
		s->kind = NOTHING;
		return;
	}
	MUST(s->nr_segments <= s->nr);
	s->pages = 0;
	/* A list takes one range: segments may meet in a granule only if they are of one piece. */
	sg = s->sg;
	for (unsigned int i = 0; i < s->nr_segments; i++, sg = sg_next(sg)) {
		MUST(sg_dma_len(sg));
		s->pages += has_own_pages(s) ? granules(sg_dma_address(sg), sg_dma_len(sg)) : 0;
	}
	begin(s);
}

static void map_resource(struct stream *s)
{
	phys_addr_t phys = MMIO + take2();

	s->kind = RESOURCE;
	s->size = 1 + take2();
	s->addr = dma_map_resource(s->client->dev, phys, s->size, s->dir, 0);
	if (dma_mapping_error(s->client->dev, s->addr)) {
		MUST(may_fail(s->client));
		s->kind = NOTHING;
		return;
	}
	s->pages = has_own_pages(s) ? granules(s->addr, s->size) : 0;
	begin(s);
	check_pages(s, s->addr, phys, s->size);
}

static void alloc(struct stream *s)
{
	s->kind = COHERENT;
	s->dir = DMA_BIDIRECTIONAL;
	s->size = 1 + take2() % SLOT;
	s->virt = dma_alloc_coherent(s->client->dev, s->size, &s->addr,
				     take() & 1 ? GFP_KERNEL : GFP_ATOMIC);
	if (!s->virt) {
		MUST(may_fail(s->client) || !s->client->is_coherent);
		s->kind = NOTHING;
		return;
	}
	s->pages = has_own_pages(s) ? granules(s->addr, s->size) : 0;
	memset(s->expected, 0, s->size);
	cpu_side(s, true);
	begin(s);
	device_turn(s, false);
}

/* Strictly: it reaches nothing any more. */
static void check_ended(const struct stream *s, dma_addr_t addr, size_t size)
{
	const struct party *party = s->client->party;

	for (uint64_t i = 0; has_own_pages(s) && i < granules(addr, size); i++) {
		dma_addr_t at = addr + (i << world.shift);

		if (i + 1 == granules(addr, size))
			at = addr + (size - 1);
		MUST(!walk(to_fuzz(party->home), at));
		if (party->protection == BERTH_PROTECT_STRICT)
			MUST(!look_up(to_fuzz(party->home), at));
	}
}

static void unmap(struct stream *s, bool twice)
{
	struct device *dev = s->client->dev;
	struct scatterlist *sg = s->sg;

	berth_clear_error();
	switch (s->kind) {
	case SINGLE:
		dma_unmap_single(dev, s->addr, s->size, s->dir);
		break;
	case LIST:
		dma_unmap_sg(dev, s->sg, (int)s->nr, s->dir);
		break;
	case RESOURCE:
		dma_unmap_resource(dev, s->addr, s->size, s->dir, 0);
		break;
	default:
		cpu_side(s, true);
		dma_free_coherent(dev, s->size, s->virt, s->addr);
	}
	/* Of memory that it could do without it says something all the same. */
	MUST(!berth_last_error()->code || world.fails);
	s->client->party->nr_live--;
	s->client->party->nr_pages -= s->pages;
	check_tables(s->client->party);
	for (unsigned int i = 0; s->kind == LIST && i < s->nr_segments; i++, sg = sg_next(sg))
		check_ended(s, sg_dma_address(sg), sg_dma_len(sg));
	if (s->kind != LIST)
		check_ended(s, s->addr, s->size);
	if (s->kind == SINGLE || s->kind == LIST) {
		cpu_side(s, true);
		check_rest(s);
		memset(slot_of(s), UNTOUCHED, SLOT);
	}
	if (s->kind == SINGLE && twice && has_own_pages(s)) {
		dma_unmap_single(dev, s->addr, s->size, s->dir);
		MUST(berth_last_error()->reason == BERTH_REASON_NOT_OWNED);
		check_tables(s->client->party);
	}
	s->kind = NOTHING;
}

static void sync(struct stream *s)
{
	struct device *dev = s->client->dev;

	if (s->kind != SINGLE && s->kind != LIST)
		return;
	if (s->is_cpus) {
		if (s->dir != DMA_FROM_DEVICE) {
			new_bytes(s);
			cpu_side(s, false);
		}
		if (s->kind == SINGLE)
			dma_sync_single_for_device(dev, s->addr, s->size, s->dir);
		else
			dma_sync_sg_for_device(dev, s->sg, (int)s->nr, s->dir);
	} else {
		if (s->kind == SINGLE)
			dma_sync_single_for_cpu(dev, s->addr, s->size, s->dir);
		else
			dma_sync_sg_for_cpu(dev, s->sg, (int)s->nr, s->dir);
		cpu_side(s, true);
	}
	s->is_cpus = !s->is_cpus;
}

static void use(struct stream *s, uint8_t what)
{
	if (what < 100) {
		unmap(s, what & 1);
	} else if (what < 160) {
		sync(s);
	} else if (s->kind != RESOURCE && !s->is_cpus) {
		device_turn(s, what & 1);
		if (s->kind == COHERENT)
			cpu_side(s, true);
	}
}

void dma_call(void)
{
	struct stream *s = &streams[take_below(NR_SLOTS)];
	uint8_t what = take();

	if (!arena) {
		arena = (uint8_t *)__get_free_pages(GFP_KERNEL, 6);
		if (!arena) {
			MUST(world.fails);
			return;
		}
		memset(arena, UNTOUCHED, PAGE_SIZE << 6);
	}
	if (s->kind != NOTHING) {
		use(s, what);
		return;
	}
	s->client = &clients[take_below(NR_DEVICES)];
	s->dir = (enum dma_data_direction)take_below(3);
	s->is_cpus = false;
	if (what < 110)
		map_single(s);
	else if (what < 190)
		map_sg(s);
	else if (what < 210)
		map_resource(s);
	else
		alloc(s);
}

void dma_stop(void)
{
	for (unsigned int i = 0; i < NR_SLOTS; i++)
		if (streams[i].kind != NOTHING)
			unmap(&streams[i], false);
	if (arena)
		free_pages((unsigned long)arena, 6);
	arena = NULL;
	for (unsigned int i = 0; i < NR_DEVICES; i++) {
		struct party *party = clients[i].party;

		MUST(!party->nr_live);
		if (party->nr_devices == 1)
			MUST(!berth_device_set_protection(clients[i].dev, BERTH_PROTECT_STRICT));
		party->home = iommu_get_domain_for_dev(clients[i].dev);
		if (!(iommu_domain_type(party->home) & __IOMMU_DOMAIN_PAGING))
			continue;
		MUST(!count_pages(to_fuzz(party->home)));
		berth_io_pgtable_trim(party->home->tables);
		MUST(!berth_io_pgtable_tables(party->home->tables));
	}
}
