// SPDX-License-Identifier: BSD-2-Clause
/*
 * How long cma_alloc() takes, by size, by how much of the area tenants use, by the area's kind; what
 * it moves; what a request costs that cannot succeed; and whether two areas are in each other's way.
 *
 * It prints a line of JSON per case, as bench.h says, and others than those:
 * {"case": .., "us": [median, 99 of 100, longest], "rounds": .., "moved": .., "fewest": ..,
 *  "dropped": .., "copies": the time of copying so many pages is the unit}
 * {"case": .., "of_one": [time of an allocation in two areas by two threads, the unit is that in one by
 *  one, the same in CPU time]}
 */
#define _GNU_SOURCE
#include "bench.h"

#include <pthread.h>

#include <berth/cma.h>
#include <berth/gfp.h>
#include <berth/migrate.h>

#include "areas.h"
#include "tenants.h"

#define AREA_PAGES 65536ul
#define MAX_ROUNDS 400
#define ROW_NS 0.5e9
#define MIB_PAGES 256ul

struct occupancy {
	const char *name;
	unsigned int used; /* pages of a hundred that tenants have, half of them clean */
	unsigned int pins; /* pages that are pinned, in the upper eighth */
};

static const struct occupancy occupancies[] = {
	{ "empty", 0, 0 },
	{ "half", 50, 0 },
	{ "half_pins", 50, 8 },
	{ "nine_tenths", 90, 0 },
	{ "nine_tenths_pins", 90, 8 },
};

enum state { FREE, CLEAN, DIRTY, PINNED };

/* An area and what the tenant had where before the allocation. */
static struct place {
	struct cma *cma;
	uint64_t pfn;
	unsigned long first; /* index of the tenant's */
	uint8_t states[AREA_PAGES];
} places[3];
enum { ORDINARY, OTHER, GUARANTEED };

static const struct bench_tenant *tenant;
static uint64_t seed = 1;

static uint32_t random_below(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed >> 32) % below);
}

static int find_place(struct cma *cma, void *data)
{
	static const uint64_t bases[] = { 0x90000000, 0xa0000000, 0xb0000000 };

	(void)data;
	for (unsigned int i = 0; i < ARRAY_SIZE(bases); i++)
		if (cma_get_base(cma) == bases[i])
			places[i] = (struct place){ .cma = cma,
						    .pfn = PFN_DOWN(bases[i]),
						    .first = i * AREA_PAGES };
	return 0;
}

static void start(void)
{
	static struct berth_machine machine;
	const struct berth_options options = { .machine = &machine };

	machine = berth_model;
	machine.fresh = NULL;
	bench_must(!berth_start(bench_areas, NULL, &options), "berth_start");
	cma_for_each_area(find_place, NULL);
	bench_must(places[ORDINARY].cma && places[OTHER].cma && places[GUARANTEED].cma, "areas");
	tenant->start();
}

static struct page *page_at(const struct place *place, unsigned long n)
{
	return tenant->page(place->first + n);
}

static void pin(struct place *place, unsigned long n)
{
	struct page *page = page_at(place, n);

	get_page(page);
	bench_must(!pin_pages(&page, 1, 0, "bench"), "pin_pages");
	put_page(page);
	place->states[n] = PINNED;
}

/* The tenant's pages lie anywhere. */
static void lay_out(struct place *place, const struct occupancy *occupancy)
{
	bool guaranteed = place == &places[GUARANTEED];

	for (unsigned long n = 0; n < AREA_PAGES; n++) {
		bool clean = guaranteed || random_below(2);

		place->states[n] = FREE;
		if (random_below(100) >= occupancy->used)
			continue;
		tenant->fill(place->pfn + n, place->first + n, clean);
		place->states[n] = clean ? CLEAN : DIRTY;
	}
	for (unsigned int i = 0; i < occupancy->pins && !guaranteed;) {
		unsigned long n = AREA_PAGES * 7 / 8 + random_below(AREA_PAGES / 8);

		if (place->states[n] == FREE || place->states[n] == PINNED)
			continue;
		pin(place, n);
		i++;
	}
}

static void forget(struct place *place, unsigned long n)
{
	if (page_at(place, n))
		tenant->drop(place->first + n);
}

static void clear(struct place *place)
{
	for (unsigned long n = 0; n < AREA_PAGES; n++) {
		if (place->states[n] == PINNED)
			unpin_user_page(page_at(place, n));
		if (place->states[n] != FREE)
			forget(place, n);
		place->states[n] = FREE;
	}
}

/* What was in a window is there again. */
static void restore(struct place *place, uint64_t pfn, unsigned long count)
{
	for (unsigned long n = pfn - place->pfn; n < pfn - place->pfn + count; n++) {
		if (place->states[n] == FREE)
			continue;
		forget(place, n);
		tenant->fill(place->pfn + n, place->first + n, place->states[n] == CLEAN);
	}
}

/* The fewest pages that any window has to move, by looking at all of them. */
static unsigned long fewest(const struct place *place, unsigned long count)
{
	static unsigned int dirty[AREA_PAGES + 1], pinned[AREA_PAGES + 1];
	unsigned long best = ~0ul;

	for (unsigned long n = 0; n < AREA_PAGES; n++) {
		dirty[n + 1] = dirty[n] + (place->states[n] == DIRTY);
		pinned[n + 1] = pinned[n] + (place->states[n] == PINNED);
	}
	for (unsigned long n = 0; n + count <= AREA_PAGES; n++)
		if (pinned[n + count] == pinned[n] && dirty[n + count] - dirty[n] < best)
			best = dirty[n + count] - dirty[n];
	return best;
}

/* ns for a copy of so many pages of an area, here and there, to fresh ones. */
static double copy_pages(const struct place *place, unsigned long nr)
{
	unsigned long from = random_below(AREA_PAGES), done = 0;
	struct page *to = nr ? alloc_contig_pages(nr, GFP_KERNEL) : NULL;
	double begin;

	if (!to)
		return 0;
	begin = bench_now();
	for (; done < nr; from = (from + 1) % AREA_PAGES)
		if (place->states[from] == DIRTY)
			memcpy(page_address(to + done++), page_address(page_at(place, from)),
			       PAGE_SIZE);
	begin = bench_now() - begin;
	free_contig_range(page_to_pfn(to), nr);
	return begin;
}

struct sample {
	double ns;
	double copies;
	unsigned long moved;
	unsigned long dropped;
};

static struct sample measure(struct place *place, unsigned long count)
{
	struct berth_cma_stats before, after;
	struct sample sample;
	struct page *page;
	double copy;

	berth_cma_stats(place->cma, &before);
	sample.ns = -bench_now();
	page = cma_alloc(place->cma, count, 0, true);
	sample.ns += bench_now();
	bench_must(page, "cma_alloc");
	berth_cma_stats(place->cma, &after);
	sample.moved = after.migrated - before.migrated;
	sample.dropped = after.dropped - before.dropped;
	bench_must(cma_release(place->cma, page, count), "cma_release");
	restore(place, page_to_pfn(page), count);
	copy = copy_pages(place, sample.moved);
	sample.copies = copy > 0 ? sample.ns / copy : 0;
	return sample;
}

static int compare_samples(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return (x->ns > y->ns) - (x->ns < y->ns);
}

static int compare_copies(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return (x->copies > y->copies) - (x->copies < y->copies);
}

static void latency(struct place *place, unsigned long count, const char *name)
{
	static struct sample samples[MAX_ROUNDS];
	unsigned long least = fewest(place, count);
	double end = bench_now() + ROW_NS;
	unsigned int nr = 0;

	measure(place, count);
	while (nr < MAX_ROUNDS && (nr < 25 || bench_now() < end))
		samples[nr++] = measure(place, count);
	qsort(samples, nr, sizeof(samples[0]), compare_samples);
	printf("{\"case\": \"%s\", \"us\": [%.2f, %.2f, %.2f], \"rounds\": %u, ", name,
	       samples[nr / 2].ns / 1e3, samples[nr * 99 / 100].ns / 1e3, samples[nr - 1].ns / 1e3,
	       nr);
	printf("\"moved\": %lu, \"fewest\": %lu, \"dropped\": %lu, ", samples[nr / 2].moved, least,
	       samples[nr / 2].dropped);
	qsort(samples, nr, sizeof(samples[0]), compare_copies);
	printf("\"copies\": %.2f}\n", samples[nr / 2].copies);
	fflush(stdout);
}

static void latencies(unsigned int which)
{
	static const unsigned int kib[] = { 64, 1024, 4096, 16384, 65536 };
	struct place *place = &places[which];
	char name[80];

	for (unsigned int i = 0; i < ARRAY_SIZE(occupancies); i++) {
		if (which == GUARANTEED && occupancies[i].pins)
			continue;
		lay_out(place, &occupancies[i]);
		for (unsigned int n = 0; n < ARRAY_SIZE(kib); n++) {
			snprintf(name, sizeof(name), "cma_%s%s_%uk", occupancies[i].name,
				 which == GUARANTEED ? "_guaranteed" : "", kib[n]);
			latency(place, kib[n] / 4, name);
		}
		clear(place);
	}
}

/*
 * One page is in the way of all windows. (One that is only in use for the moment would be waited for,
 * and the model's clock stands still while berth computes: that says nothing of a machine.)
 */
static void failures(void)
{
	struct place *place = &places[ORDINARY];
	unsigned long middle = AREA_PAGES / 2, count = AREA_PAGES * 100 / 128;
	struct berth_cma_stats before, after;
	double ns[BENCH_ROUNDS], median;

	lay_out(place, &occupancies[1]);
	while (place->states[middle] != DIRTY)
		middle++;
	pin(place, middle);
	berth_cma_stats(place->cma, &before);
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++) {
		ns[i] = -bench_now();
		bench_must(!cma_alloc(place->cma, count, 0, true), "a failure");
		ns[i] += bench_now();
	}
	berth_cma_stats(place->cma, &after);
	median = bench_median(ns);
	printf("{\"case\": \"cma_half_fail_200m\", \"us\": [%.2f, %.2f, %.2f], \"rounds\": %d, ",
	       median / 1e3, ns[BENCH_ROUNDS - 1] / 1e3, ns[BENCH_ROUNDS - 1] / 1e3, BENCH_ROUNDS);
	printf("\"moved\": %llu, \"fewest\": 0, \"dropped\": %llu, \"copies\": 0}\n",
	       (unsigned long long)(after.migrated - before.migrated),
	       (unsigned long long)(after.dropped - before.dropped));
	clear(place);
}

/* Two threads. */

#define MAX_SAMPLES 4096

/* struct worker - allocations of one thread; @ns: medians of the host's time and the thread's */
struct worker {
	double samples[2][MAX_SAMPLES];
	struct place *place;
	unsigned long count;
	pthread_barrier_t *barrier;
	double ns[2];
};

static double wall(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void *work(void *data)
{
	struct worker *worker = data;
	double *samples[2] = { worker->samples[0], worker->samples[1] }, end;
	unsigned int nr = 0;

	pthread_barrier_wait(worker->barrier);
	end = wall() + 40e6;
	while (nr < MAX_SAMPLES && (nr < 3 || wall() < end)) {
		struct page *page;

		samples[0][nr] = -wall();
		samples[1][nr] = -bench_now();
		page = cma_alloc(worker->place->cma, worker->count, 0, true);
		samples[1][nr] += bench_now();
		samples[0][nr++] += wall();
		bench_must(page && cma_release(worker->place->cma, page, worker->count),
			   "cma_alloc");
		restore(worker->place, page_to_pfn(page), worker->count);
	}
	for (unsigned int i = 0; i < 2; i++) {
		qsort(samples[i], nr, sizeof(double), bench_compare);
		worker->ns[i] = samples[i][nr / 2];
	}
	return NULL;
}

static void run_workers(struct worker *workers, unsigned int nr)
{
	pthread_t threads[2];
	pthread_barrier_t barrier;

	pthread_barrier_init(&barrier, NULL, nr);
	for (unsigned int i = 0; i < nr; i++) {
		workers[i].barrier = &barrier;
		bench_must(!pthread_create(&threads[i], NULL, work, &workers[i]), "a thread");
	}
	for (unsigned int i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
}

static void two_areas(unsigned long count, const struct occupancy *occupancy)
{
	static struct worker one, two[2];
	double ratios[2][BENCH_ROUNDS];

	lay_out(&places[ORDINARY], occupancy);
	lay_out(&places[OTHER], occupancy);
	one.place = two[0].place = &places[ORDINARY];
	two[1].place = &places[OTHER];
	one.count = two[0].count = two[1].count = count;
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++) {
		run_workers(&one, 1);
		run_workers(two, 2);
		for (unsigned int n = 0; n < 2; n++)
			ratios[n][i] = (two[0].ns[n] + two[1].ns[n]) / 2 / one.ns[n];
	}
	printf("{\"case\": \"cma_%s_%luk_two_areas\", \"of_one\": [%.2f, %.2f]}\n", occupancy->name,
	       count * 4, bench_median(ratios[0]), bench_median(ratios[1]));
	fflush(stdout);
	clear(&places[ORDINARY]);
	clear(&places[OTHER]);
}

/* The search alone, which bench.h can count: half of the area is used, one page in each place. */
static void start_half(unsigned long arg)
{
	(void)arg;
	lay_out(&places[ORDINARY], &occupancies[1]);
}

static void stop_half(void)
{
	clear(&places[ORDINARY]);
}

static void explain(unsigned long count, uint64_t iterations)
{
	struct berth_cma_report report;

	for (uint64_t i = 0; i < iterations; i++)
		bench_must(!berth_cma_explain(places[ORDINARY].cma, count, 0, &report), "explain");
}

static void alloc(unsigned long count, uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++) {
		struct page *page = cma_alloc(places[ORDINARY].cma, count, 0, true);

		bench_must(page && cma_release(places[ORDINARY].cma, page, count), "cma_alloc");
		bench_pause();
		restore(&places[ORDINARY], page_to_pfn(page), count);
		bench_resume();
	}
}

#define HALF .start = start_half, .stop = stop_half

static const struct bench_case cases[] = {
	{ "cma_half_64k_pair", alloc, .arg = 16, .count = 4, HALF },
	{ "cma_half_16m_pair", alloc, .arg = 4096, .count = 2, HALF },
	{ "cma_explain_half_16m", explain, .arg = 4096, .count = 2, HALF },
};

int main(int argc, char **argv)
{
	tenant = &bench_table_tenant;
	start();
	bench_main(argc, argv, cases, ARRAY_SIZE(cases));
	if (argc == 1) {
		latencies(ORDINARY);
		latencies(GUARANTEED);
		failures();
		two_areas(16, &occupancies[0]);
		two_areas(MIB_PAGES, &occupancies[0]);
		two_areas(MIB_PAGES, &occupancies[1]);
		two_areas(16 * MIB_PAGES, &occupancies[1]);
	}
	tenant->stop();
	bench_stop_machine();
	return 0;
}
