// SPDX-License-Identifier: BSD-2-Clause
/* The modelled SMMU through random histories, beside a flat table of what each page must do. */
#include "smmu.h"

#define STREAMS 3
#define UNIT 4096ull /* of the flat table */
#define UNITS 8192u
#define NARROW_UNITS 2048u
#define LONGEST 6000u
#define STEPS 1500

/* What the tables say of a stream, unit by unit; and what memory holds. */
struct page {
	bool is_mapped, is_read_only;
	uint32_t unit; /* in DATA */
};

static struct stream {
	struct model_device *dev;
	uint32_t sid;
	uint16_t asid;
	uint32_t nr_units; /* that its bus carries */
	struct tables tables;
	struct page pages[UNITS];
} streams[STREAMS];

static uint8_t shadow[HIGH_RAM_SIZE];
static uint64_t random_state;

static uint32_t below(uint32_t bound)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((random_state >> 33) * bound >> 31);
}

static void start(uint64_t seed)
{
	static const unsigned int shifts[STREAMS] = { 12, 14, 16 };
	const struct berth_model_smmu_config config = {
		.iotlb_entries = 8u << below(4),
		.iotlb_ways = below(2) ? 4 : 0,
		.walk_entries = { 1 + below(3), 1 + below(3), 1 + below(3) },
		.no_range = below(3) == 0,
		.watch_stale = true,
	};

	smmu_boot_with(&config, below(2), seed);
	streams[0].dev = behind;
	streams[0].sid = SID;
	streams[1].dev = neighbour;
	streams[1].sid = OTHER_SID;
	streams[2].dev = narrow;
	streams[2].sid = WINDOW_SID;
	for (unsigned int i = 0; i < STREAMS; i++) {
		struct stream *stream = &streams[i];

		stream->nr_units = i == 2 ? NARROW_UNITS : UNITS;
		stream->asid = (uint16_t)(below(2) * 0xff00 + i);
		stream->tables = new_tables(shifts[(i + seed) % STREAMS], 32 + below(17));
		memset(stream->pages, 0, sizeof(stream->pages));
		set_stream(stream->sid, &stream->tables, stream->asid);
	}
	memset(shadow, 0, sizeof(shadow));
	model_lock();
	assert_int_equal(model_dma_write(plain, DATA, shadow, sizeof(shadow)), 0);
	model_unlock();
}

/* Of the flat table: the place that a descriptor of @level covers, and as much memory. */
static uint32_t choose_leaf(const struct stream *stream, unsigned int *level, uint64_t *size)
{
	*level = below(8) ? 3 : 2;
	*size = 1ull << table_bits(&stream->tables, *level);
	if (*size > HIGH_RAM_SIZE) {
		*level = 3;
		*size = 1ull << stream->tables.shift;
	}
	return below((uint32_t)(stream->nr_units * UNIT / *size)) * (uint32_t)(*size / UNIT);
}

static bool is_free(const struct stream *stream, uint32_t first, uint64_t size)
{
	for (uint32_t i = 0; i < size / UNIT; i++)
		if (stream->pages[first + i].is_mapped)
			return false;
	return true;
}

static void set_pages(struct stream *stream, uint32_t first, uint64_t size, struct page page)
{
	for (uint32_t i = 0; i < size / UNIT; i++, page.unit++)
		stream->pages[first + i] = page;
}

/* The table that a block replaces is empty, but the walk caches may know it. */
static void invalidate(const struct stream *stream, uint32_t first, uint64_t size, bool leaf,
		       unsigned int level)
{
	uint64_t address = first * UNIT, granules = size >> stream->tables.shift;
	uint64_t tg = (stream->tables.shift - 10) / 2;

	switch (below(4)) {
	case 0:
		must_command(TLBI_ASID | (uint64_t)stream->asid << 48, 0);
		break;
	case 1:
		must_command(TLBI_VA | (uint64_t)stream->asid << 48, address | leaf);
		break;
	case 2:
		must_command(TLBI_VAA, address | leaf);
		break;
	default:
		/* The whole of it, as a range. */
		must_command(TLBI_VA | (uint64_t)stream->asid << 48 |
				     (uint64_t)__builtin_ctzll(granules) << 20,
			     address | tg << 10 | (uint64_t)level << 8 | leaf);
	}
}

static void map_some(struct stream *stream)
{
	unsigned int level;
	uint64_t size, at;
	uint32_t first = choose_leaf(stream, &level, &size);
	struct page page = { true, below(4) == 0, 0 };

	if (!is_free(stream, first, size))
		return;
	page.unit = below((uint32_t)(HIGH_RAM_SIZE / size)) * (uint32_t)(size / UNIT);
	at = descriptor(&stream->tables, first * UNIT, level);
	/* An empty table gives way to a block: all levels must go. */
	if (level < 3 && peek(at)) {
		poke(at, 0);
		invalidate(stream, first, size, false, 0);
	}
	map_at(&stream->tables, first * UNIT, DATA + page.unit * UNIT, level,
	       PTE_PLAIN | (page.is_read_only ? PTE_RO : 0));
	set_pages(stream, first, size, page);
}

static void unmap_some(struct stream *stream)
{
	unsigned int level = 3;
	uint32_t first = below(stream->nr_units);
	uint64_t size = 1ull << stream->tables.shift, entry;

	while (first < stream->nr_units && !stream->pages[first].is_mapped)
		first++;
	if (first == stream->nr_units)
		return;
	entry = peek(descriptor(&stream->tables, first * UNIT, 2));
	if ((entry & 3) == PTE_BLOCK) {
		level = 2;
		size = 1ull << table_bits(&stream->tables, 2);
	}
	first &= ~(uint32_t)(size / UNIT - 1);
	poke(descriptor(&stream->tables, first * UNIT, level), 0);
	set_pages(stream, first, size, (struct page){ 0 });
	invalidate(stream, first, size, below(2), level);
}

/* What the flat table says of the part of an access in one unit; its event is looked at later. */
static bool do_unit(const struct stream *stream, uint64_t address, uint8_t *bytes, size_t size,
		    bool is_write)
{
	const struct page *page = &stream->pages[address / UNIT];
	uint8_t *memory = shadow + page->unit * UNIT + address % UNIT;

	if (!page->is_mapped || (is_write && page->is_read_only))
		return false;
	if (is_write)
		memcpy(memory, bytes, size);
	else
		memcpy(bytes, memory, size);
	return true;
}

static void must_be_told(const struct stream *stream, uint64_t address, bool is_write)
{
	uint32_t words[8];

	assert_true(next_event(words));
	assert_int_equal(words[0], stream->pages[address / UNIT].is_mapped ? 0x13 : 0x10);
	assert_int_equal(words[1], stream->sid);
	assert_int_equal(words[3], is_write ? EVENT_WRITE : EVENT_READ);
	assert_int_equal(words[4] | (uint64_t)words[5] << 32, address);
}

/* Units that may be accessed are, whatever is beside them; the others are told in their order. */
static void access_some(const struct stream *stream)
{
	static uint8_t bytes[LONGEST], wanted[LONGEST];
	uint64_t first = below(stream->nr_units * (uint32_t)UNIT - LONGEST);
	uint32_t size = 1 + below(below(2) ? 64 : LONGEST);
	bool is_write = below(2), is_allowed = true;
	uint8_t byte = (uint8_t)below(256);
	int ret;

	for (uint32_t i = 0; i < size; i++)
		bytes[i] = wanted[i] = (uint8_t)(byte + i * 7);
	model_lock();
	ret = is_write ? model_dma_write(stream->dev, first, bytes, size)
		       : model_dma_read(stream->dev, first, bytes, size);
	model_unlock();
	for (uint32_t at = 0, part; at < size; at += part) {
		part = (uint32_t)(UNIT - (first + at) % UNIT);
		part = part < size - at ? part : size - at;
		if (!do_unit(stream, first + at, wanted + at, part, is_write)) {
			must_be_told(stream, first + at, is_write);
			is_allowed = false;
		}
	}
	assert_int_equal(ret, is_allowed ? 0 : -EFAULT);
	assert_memory_equal(bytes, wanted, size);
	assert_no_event();
}

static void history(uint64_t seed)
{
	random_state = seed * 0x9e3779b97f4a7c15ull;
	start(seed);
	for (unsigned int i = 0; i < STEPS; i++) {
		struct stream *stream = &streams[below(STREAMS)];
		uint32_t what = below(8);

		if (what < 2)
			map_some(stream);
		else if (what == 2)
			unmap_some(stream);
		else
			access_some(stream);
	}
	assert_memory_equal(berth_model_memory(DATA), shadow, sizeof(shadow));
	assert_int_equal(smmu_stats().stale_hits, 0);
	assert_int_equal(smmu_stats().events_lost, 0);
	smmu_halt();
}

static void histories(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++)
		history(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
