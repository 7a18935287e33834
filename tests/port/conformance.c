/* SPDX-License-Identifier: BSD-2-Clause */
/* Running tests and telling about them; the machine's start, its RAM, and its end. */
#include "suite.h"

#define MAX_REASONS 8

const struct conformance_env *conformance_env;
struct ranges conformance_mapped, conformance_free;
struct conformance_irq conformance_irq;
uint32_t conformance_alarms;
uint64_t conformance_alarm_at;
uint32_t *volatile conformance_alarm_word;
volatile uint64_t conformance_alarm_delay_ns;

static uint32_t failures;
static const char *skip_reason;
static const void *tree;
/* Pages are taken from the end of the largest free range. */
static struct berth_range *pool;
static uint64_t pool_left;

struct line {
	char text[256];
	size_t length;
};

static void put(struct line *line, const char *text)
{
	while (*text && line->length < sizeof(line->text) - 1)
		line->text[line->length++] = *text++;
}

static void put_number(struct line *line, uint64_t value, unsigned int base)
{
	char digits[24];
	unsigned int at = sizeof(digits) - 1;

	digits[at] = 0;
	do {
		digits[--at] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	if (base == 16)
		put(line, "0x");
	put(line, digits + at);
}

static void end_line(struct line *line)
{
	line->text[line->length++] = '\n';
	berth_port_print(line->text, line->length);
}

bool conformance_check(bool holds, const char *file, int line, const char *what, const uint64_t *a,
		       const uint64_t *b)
{
	struct line text = { .length = 0 };

	if (holds || __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED) > MAX_REASONS)
		return holds;
	put(&text, "# ");
	put(&text, file);
	put(&text, ":");
	put_number(&text, (uint64_t)line, 10);
	put(&text, ": does not hold: ");
	put(&text, what);
	if (a && b) {
		put(&text, ": ");
		put_number(&text, *a, 16);
		put(&text, ", ");
		put_number(&text, *b, 16);
	}
	end_line(&text);
	return false;
}

void conformance_skip(const char *why)
{
	skip_reason = why;
}

bool berth_irq_handle(unsigned int irq)
{
	if (irq != conformance_irq.irq)
		return false;
	if (conformance_irq.acknowledge)
		conformance_irq.acknowledge();
	__atomic_add_fetch(&conformance_irq.count, 1, __ATOMIC_SEQ_CST);
	berth_port_wake(&conformance_irq.count);
	return true;
}

void berth_timer_handle(void)
{
	uint32_t *word = conformance_alarm_word;

	berth_port_delay(conformance_alarm_delay_ns);
	__atomic_store_n(&conformance_alarm_at, berth_port_now(), __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&conformance_alarms, 1, __ATOMIC_SEQ_CST);
	berth_port_wake(&conformance_alarms);
	if (word) {
		__atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
		berth_port_wake(word);
	}
}

int conformance_wait(const uint32_t *word, uint32_t value, uint64_t deadline_ns)
{
	int ret = 0;

	while (!ret && __atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
		ret = berth_port_wait(word, value, deadline_ns);
	return ret;
}

phys_addr_t conformance_phys(const void *virt)
{
	return berth_port_linear.phys + ((uintptr_t)virt - berth_port_linear.virt);
}

void *conformance_virt(phys_addr_t phys)
{
	return (void *)(berth_port_linear.virt + (uintptr_t)(phys - berth_port_linear.phys));
}

/* Take @hole, rounded to whole pages, out of the ranges. */
static void cut(struct ranges *ranges, struct berth_range hole)
{
	phys_addr_t first = hole.base & ~(PAGE_BYTES - 1);
	phys_addr_t end = (hole.base + hole.size + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);

	for (unsigned int i = 0; i < ranges->nr; i++) {
		struct berth_range *range = &ranges->at[i];
		phys_addr_t range_end = range->base + range->size;

		if (end <= range->base || first >= range_end)
			continue;
		if (first > range->base && end < range_end && ranges->nr < MAX_RANGES) {
			for (unsigned int j = ranges->nr++; j > i + 1; j--)
				ranges->at[j] = ranges->at[j - 1];
			ranges->at[i + 1].base = end;
			ranges->at[i + 1].size = range_end - end;
			range_end = end;
		}
		if (first > range->base) {
			range->size = first - range->base;
		} else {
			range->size = end < range_end ? range_end - end : 0;
			range->base = end;
		}
	}
}

static phys_addr_t take_page(void)
{
	if (!pool || pool_left < PAGE_BYTES)
		return 0;
	pool_left -= PAGE_BYTES;
	return pool->base + pool_left;
}

void *conformance_pages(unsigned int nr)
{
	if (!CHECK(pool_left >= nr * PAGE_BYTES))
		return NULL;
	pool_left -= nr * PAGE_BYTES;
	return conformance_virt(pool->base + pool_left);
}

#define NR_TABLES 64

/* Pages for tables: each holds the address of the next. */
static struct {
	uint32_t lock, nr_out, most;
	phys_addr_t first;
} tables;

uint32_t conformance_tables(void)
{
	return __atomic_load_n(&tables.nr_out, __ATOMIC_RELAXED);
}

void conformance_tables_limit(uint32_t more)
{
	tables.most = more == UINT32_MAX ? more : tables.nr_out + more;
}

static void lock_tables(void)
{
	while (__atomic_exchange_n(&tables.lock, 1, __ATOMIC_ACQUIRE))
		berth_port_relax();
}

phys_addr_t berth_table_alloc(void)
{
	unsigned long flags = berth_port_irq_save();
	phys_addr_t page = 0;

	lock_tables();
	if (tables.nr_out < tables.most)
		page = tables.first;
	if (page) {
		tables.first = *(uint64_t *)conformance_virt(page);
		tables.nr_out++;
	}
	__atomic_store_n(&tables.lock, 0, __ATOMIC_RELEASE);
	berth_port_irq_restore(flags);
	return page;
}

void berth_table_free(phys_addr_t page)
{
	unsigned long flags = berth_port_irq_save();

	lock_tables();
	*(uint64_t *)conformance_virt(page) = tables.first;
	tables.first = page;
	tables.nr_out--;
	__atomic_store_n(&tables.lock, 0, __ATOMIC_RELEASE);
	berth_port_irq_restore(flags);
}

static void take_tables(void)
{
	tables.first = 0;
	tables.nr_out = NR_TABLES;
	tables.most = UINT32_MAX;
	for (unsigned int i = 0; i < NR_TABLES; i++)
		berth_table_free(take_page());
}

int conformance_start(void)
{
	struct berth_port_ram ram = { .alloc_page = take_page };
	struct berth_range range;
	int ret;

	tree = conformance_env->fdt;
	ret = berth_port_start(&tree, conformance_env->machine, conformance_env->config);
	if (ret)
		return ret;
	conformance_mapped.nr = conformance_env->nr_banks;
	memcpy(conformance_mapped.at, conformance_env->banks,
	       conformance_env->nr_banks * sizeof(struct berth_range));
	for (unsigned int i = 0; i < conformance_env->nr_nomap; i++)
		cut(&conformance_mapped, conformance_env->nomap[i]);
	conformance_free = conformance_mapped;
	for (unsigned int i = 0; i < MAX_RANGES && berth_port_reserved(i, &range); i++)
		cut(&conformance_free, range);
	pool = &conformance_free.at[0];
	for (unsigned int i = 1; i < conformance_free.nr; i++)
		if (conformance_free.at[i].size > pool->size)
			pool = &conformance_free.at[i];
	pool_left = pool->size;

	ram.banks = conformance_env->banks;
	ram.nr_banks = conformance_env->nr_banks;
	ram.mapped = conformance_mapped.at;
	ram.nr_mapped = conformance_mapped.nr;
	ret = berth_port_ram(&ram);
	if (ret)
		berth_port_stop();
	else
		take_tables();
	/* What the port has taken, or will, is not free any more. */
	pool->size = pool_left;
	return ret;
}

void conformance_stop(void)
{
	berth_port_stop();
}

static void test_tree(void)
{
	static const unsigned char magic[] = { 0xd0, 0x0d, 0xfe, 0xed };

	if (CHECK(tree))
		CHECK(!memcmp(tree, magic, sizeof(magic)));
}

static void test_repeat(void)
{
	for (unsigned int i = 0; i < 50; i++) {
		uint32_t before;
		uint64_t *page;
		void *range;

		/* Left behind on purpose: an alarm, mappings, an uncached page. */
		page = conformance_pages(1);
		page[7] = i;
		range = berth_port_range_reserve(PAGE_BYTES);
		if (range)
			berth_port_range_map(range, conformance_phys(page), PAGE_BYTES,
					     BERTH_MEMORY_CACHED);
		page = conformance_pages(1);
		berth_port_remap(conformance_phys(page), PAGE_BYTES, BERTH_MEMORY_UNCACHED);
		/* So many that they run out if stop does not take them. */
		for (unsigned int j = 0; conformance_env->registers && j < 200; j++)
			if (!CHECK(berth_port_ioremap(conformance_env->registers,
						      conformance_env->registers_size)))
				return;
		berth_port_alarm(berth_port_now() + MS);
		conformance_stop();
		/* It may have gone off before the stop, but not after it. */
		before = __atomic_load_n(&conformance_alarms, __ATOMIC_SEQ_CST);
		CHECK_EQUAL(berth_port_linear.virt, 0);
		CHECK_EQUAL(berth_port_linear.size, 0);
		if (i == 0) {
			berth_port_delay(3 * MS);
			CHECK_EQUAL(__atomic_load_n(&conformance_alarms, __ATOMIC_SEQ_CST), before);
		}
		if (!CHECK_EQUAL(conformance_start(), 0))
			return;
		page = conformance_pages(1);
		memset(page, (int)i, PAGE_BYTES);
		CHECK_EQUAL(page[511] & 0xff, i);
	}
}

const struct conformance_test conformance_lifecycle[] = {
	{ "start supplies a device tree", test_tree },
	{ "start and stop may be repeated, whatever was left behind", test_repeat },
	{ NULL, NULL },
};

static unsigned int count_of(const struct conformance_test *tests)
{
	unsigned int nr = 0;

	while (tests[nr].run)
		nr++;
	return nr;
}

/* Return: whether the test failed. */
static int run_one(const struct conformance_test *test, unsigned int number)
{
	uint64_t pages_before = pool_left;
	struct line text = { .length = 0 };

	failures = 0;
	skip_reason = NULL;
	test->run();
	/* A test that started the port anew has taken new tables. */
	pool_left = pool->size < pages_before ? pool->size : pages_before;
	put(&text, failures ? "not ok " : "ok ");
	put_number(&text, number, 10);
	put(&text, " - ");
	put(&text, test->name);
	if (skip_reason && !failures) {
		put(&text, " # SKIP ");
		put(&text, skip_reason);
	}
	end_line(&text);
	return failures != 0;
}

int conformance_run(const struct conformance_env *env)
{
	const struct conformance_test *const groups[] = {
		conformance_bytes, conformance_time,   conformance_memory,
		conformance_cpus,  conformance_ranges, conformance_moves,
		conformance_share, env->own,	       conformance_lifecycle,
	};
	unsigned int nr[ARRAY_SIZE(groups)];
	struct line text = { .length = 0 };
	unsigned int total = 1, number = 1;
	int failed = 0;
	bool started;

	conformance_env = env;
	for (unsigned int i = 0; i < ARRAY_SIZE(groups); i++) {
		nr[i] = groups[i] == env->own ? env->nr_own : count_of(groups[i]);
		total += nr[i];
	}
	put(&text, "1..");
	put_number(&text, total, 10);
	end_line(&text);

	started = CHECK_EQUAL(conformance_start(), 0);
	text.length = 0;
	put(&text, started ? "ok 1 - start" : "not ok 1 - start");
	end_line(&text);
	if (!started)
		return (int)total;
	for (unsigned int i = 0; i < ARRAY_SIZE(groups); i++)
		for (unsigned int j = 0; j < nr[i]; j++)
			failed += run_one(&groups[i][j], ++number);
	conformance_stop();
	return failed;
}
