/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls in any order, some of which fail, against what each byte should be: pages are shared and are not,
 * ranges show them or do not, by parts and several times, and somebody writes somewhere.
 */
#include "move.h"

#include "client.h"
#include "share.h"

#define PAGES 40u
/* The last ones are outside the linear map. */
#define LINEAR_PAGES 28u
#define RANGES 4u
#define RANGE_PAGES 24u
#define SHARES 3u
#define NOBODY 0xffu

/* A byte of each page is looked at. */
static uint8_t bytes[PAGES];
static unsigned int place_of[PAGES];

/* What a page of a range shows: a page, or NOBODY. */
static struct {
	uint8_t *virt;
	uint8_t shows[RANGE_PAGES];
} ranges[RANGES];

static struct {
	int fd;
	unsigned int nr;
	uint8_t pages[PAGES];
} shares[SHARES];

static uint32_t chance;
static unsigned int nr_shared, nr_failed, nr_asked;

static unsigned int draw(unsigned int bound)
{
	return next_random(&chance) % bound;
}

/* Runs of pages here and there. */
static phys_addr_t phys_of(unsigned int page)
{
	return page < LINEAR_PAGES ? FRAME(50 + page + page / 5 * 3)
				   : NO_MAP + (page - LINEAR_PAGES + page / 32) * PAGE;
}

static bool is_next(unsigned int page)
{
	return page + 1 < PAGES && phys_of(page + 1) == phys_of(page) + PAGE;
}

static uint8_t *byte_in(unsigned int range, unsigned int at)
{
	return ranges[range].virt + at * PAGE + place_of[ranges[range].shows[at]];
}

static bool is_shared(unsigned int page)
{
	for (unsigned int i = 0; i < SHARES; i++)
		for (unsigned int n = 0; shares[i].fd >= 0 && n < shares[i].nr; n++)
			if (shares[i].pages[n] == page)
				return true;
	return false;
}

static void check_all(void)
{
	for (unsigned int page = 0; page < LINEAR_PAGES; page++)
		assert_int_equal(cpu_byte(phys_of(page) + place_of[page]), bytes[page]);
	for (unsigned int i = 0; i < RANGES; i++)
		for (unsigned int at = 0; at < RANGE_PAGES; at++)
			if (ranges[i].shows[at] != NOBODY)
				assert_int_equal(*(volatile uint8_t *)byte_in(i, at),
						 bytes[ranges[i].shows[at]]);
}

static void map_some(void)
{
	unsigned int i = draw(RANGES), at = draw(RANGE_PAGES), page = draw(PAGES), nr = 1;

	while (is_next(page + nr - 1) && at + nr < RANGE_PAGES && draw(4))
		nr++;
	for (unsigned int n = 0; n < nr; n++)
		if (ranges[i].shows[at + n] != NOBODY)
			return;
	if (berth_port_range_map(ranges[i].virt + at * PAGE, phys_of(page), nr * PAGE,
				 BERTH_MEMORY_CACHED))
		return;
	for (unsigned int n = 0; n < nr; n++)
		ranges[i].shows[at + n] = (uint8_t)(page + n);
}

static void unmap_some(void)
{
	unsigned int i = draw(RANGES), at = draw(RANGE_PAGES), nr = 1;
	unsigned int page = ranges[i].shows[at];

	if (page == NOBODY)
		return;
	while (at + nr < RANGE_PAGES && ranges[i].shows[at + nr] == page + nr &&
	       is_next(page + nr - 1) && draw(3))
		nr++;
	berth_port_range_unmap(ranges[i].virt + at * PAGE, phys_of(page), nr * PAGE,
			       BERTH_MEMORY_CACHED);
	memset(&ranges[i].shows[at], NOBODY, nr);
}

/* Another one in the place of a range that shows nothing. */
static void renew_range(void)
{
	unsigned int i = draw(RANGES);

	for (unsigned int at = 0; at < RANGE_PAGES; at++)
		if (ranges[i].shows[at] != NOBODY)
			return;
	berth_port_range_release(ranges[i].virt, RANGE_PAGES * PAGE);
	ranges[i].virt = berth_port_range_reserve(RANGE_PAGES * PAGE);
	assert_non_null(ranges[i].virt);
}

static void share_some(void)
{
	unsigned int i = draw(SHARES), nr = 1 + draw(12), nr_runs = 0;
	struct berth_range runs[PAGES];
	bool is_taken = false;
	int fd;

	if (shares[i].fd >= 0)
		return;
	for (unsigned int n = 0; n < nr;) {
		unsigned int page = draw(PAGES), size = 0;

		do {
			is_taken = is_taken || is_shared(page + size);
			for (unsigned int k = 0; k < n; k++)
				is_taken = is_taken || shares[i].pages[k] == page + size;
			shares[i].pages[n++] = (uint8_t)(page + size);
			size++;
		} while (n < nr && is_next(page + size - 1) && draw(3));
		runs[nr_runs++] = (struct berth_range){ phys_of(page), size * PAGE };
	}
	fd = berth_port_share(runs, nr_runs, BERTH_MEMORY_CACHED);
	if (is_taken)
		assert_true(fd < 0);
	else if (fd < 0)
		assert_int_equal(fd, -ENOMEM);
	shares[i].fd = fd;
	shares[i].nr = nr;
	nr_shared += fd >= 0;
	nr_failed += fd == -ENOMEM;
}

static void unshare_some(void)
{
	unsigned int i = draw(SHARES);

	if (shares[i].fd >= 0)
		berth_port_unshare(shares[i].fd);
	shares[i].fd = -1;
}

static void write_some(void)
{
	unsigned int i = draw(RANGES), at = draw(RANGE_PAGES), page = draw(LINEAR_PAGES);
	uint8_t byte = (uint8_t)draw(256);

	if (ranges[i].shows[at] != NOBODY) {
		*byte_in(i, at) = byte;
		bytes[ranges[i].shows[at]] = byte;
	}
	*(uint8_t *)soc_virt(phys_of(page) + place_of[page]) = byte;
	bytes[page] = byte;
}

/* The client reads a byte of something that is shared, and writes another one. */
static void ask_client(const struct client *client)
{
	unsigned int i = draw(SHARES), n;
	uint64_t at;

	if (shares[i].fd < 0)
		return;
	nr_asked++;
	n = draw(shares[i].nr);
	at = n * PAGE + place_of[shares[i].pages[n]];
	assert_int_equal(client_give(client, shares[i].fd, shares[i].nr * PAGE), 0);
	assert_int_equal(client_ask(client, CLIENT_READ, at, 0), bytes[shares[i].pages[n]]);
	bytes[shares[i].pages[n]] = (uint8_t)draw(256);
	assert_int_equal(client_ask(client, CLIENT_WRITE, at, bytes[shares[i].pages[n]]), 0);
}

static void start(void)
{
	for (unsigned int i = 0; i < RANGES; i++) {
		ranges[i].virt = berth_port_range_reserve(RANGE_PAGES * PAGE);
		assert_non_null(ranges[i].virt);
		memset(ranges[i].shows, NOBODY, RANGE_PAGES);
	}
	for (unsigned int i = 0; i < SHARES; i++)
		shares[i].fd = -1;
	for (unsigned int page = 0; page < PAGES; page++) {
		place_of[page] = draw(PAGE);
		bytes[page] = 0;
	}
}

static void step(const struct client *client)
{
	if (!draw(6))
		berth_port_share_fail = 1 + draw(60);
	berth_port_share_fail_more = draw(3);
	switch (draw(8)) {
	case 0:
	case 1:
		map_some();
		break;
	case 2:
		unmap_some();
		break;
	case 3:
		renew_range();
		break;
	case 4:
		share_some();
		break;
	case 5:
		unshare_some();
		break;
	case 6:
		ask_client(client);
		break;
	default:
		write_some();
	}
	berth_port_share_fail = berth_port_share_fail_more = 0;
	check_all();
}

static void every_byte_is_what_it_should_be(void **state)
{
	for (unsigned int seed = 1; seed <= 20; seed++) {
		struct client client;

		START(state);
		client_start(&client);
		chance = seed * 7919;
		start();
		for (unsigned int i = 0; i < 1000; i++)
			step(&client);
		for (unsigned int i = 0; i < SHARES; i++)
			if (shares[i].fd >= 0 && seed % 2)
				berth_port_unshare(shares[i].fd);
		if (seed % 2)
			check_all();
		client_end(&client, false);
		gate_stop();
	}
	print_message("# shared %u times, failed %u times, %u questions\n", nr_shared, nr_failed,
		      nr_asked);
	assert_true(nr_shared > 100 && nr_failed > 50 && nr_asked > 100);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOTH(every_byte_is_what_it_should_be),
	};

	if (argc > 1 && !strcmp(argv[1], CLIENT_ARGUMENT))
		return client_main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
