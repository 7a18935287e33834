/* SPDX-License-Identifier: BSD-2-Clause */
/* RAM that other processes see: what they see, and what they cannot do with it. */
#include <sys/syscall.h>

#include "move.h"

#include "client.h"
#include "share.h"

static const struct berth_range scattered[] = {
	{ FRAME(40), 3 * PAGE },
	{ FRAME(7), PAGE },
	{ HIGH_RAM + 8 * PAGE, 70 * PAGE },
	{ FRAME(43), 2 * PAGE },
};

#define SCATTERED_SIZE (76 * PAGE)

/* Where byte n of the file is in RAM. */
static phys_addr_t phys_of(uint64_t n)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(scattered); i++) {
		if (n < scattered[i].size)
			return scattered[i].base + n;
		n -= scattered[i].size;
	}
	return 0;
}

static uint8_t pattern(uint64_t n)
{
	return (uint8_t)(n * 7 + n / PAGE * 3 + 1);
}

static uint8_t *range_of(const struct berth_range *ram, enum berth_memory_type type)
{
	uint8_t *range = berth_port_range_reserve(ram->size + 2 * PAGE);

	assert_non_null(range);
	assert_int_equal(berth_port_range_map(range + PAGE, ram->base, ram->size, type), 0);
	return range + PAGE;
}

static void end_range(uint8_t *at, const struct berth_range *ram, enum berth_memory_type type)
{
	berth_port_range_unmap(at, ram->base, ram->size, type);
	berth_port_range_release(at - PAGE, ram->size + 2 * PAGE);
}

static unsigned long inode_at(const volatile void *at)
{
	unsigned long inode, bytes;

	maps_of(at, &inode, &bytes);
	return inode;
}

/* In the linear map, in a range that was there before and in one that is made meanwhile. */
static void both_see_one_memory(void **state)
{
	const struct berth_range *high = &scattered[2];
	uint8_t *before, *meanwhile;
	struct client client;
	int fd;

	START(state);
	client_start(&client);
	before = range_of(high, BERTH_MEMORY_CACHED);
	for (uint64_t i = 0; i < SCATTERED_SIZE; i++)
		*(uint8_t *)soc_virt(phys_of(i)) = pattern(i);
	fd = berth_port_share(scattered, ARRAY_SIZE(scattered), BERTH_MEMORY_CACHED);
	assert_true(fd >= 0);
	meanwhile = range_of(high, BERTH_MEMORY_CACHED);
	assert_int_equal(client_give(&client, fd, SCATTERED_SIZE), 0);
	for (uint64_t i = 0; i < SCATTERED_SIZE; i++)
		assert_int_equal(cpu_byte(phys_of(i)), pattern(i));
	for (uint64_t i = 0; i < SCATTERED_SIZE; i += 1009)
		assert_int_equal(client_ask(&client, CLIENT_READ, i, 0), pattern(i));
	for (uint64_t i = 5; i < SCATTERED_SIZE; i += 2011) {
		assert_int_equal(client_ask(&client, CLIENT_WRITE, i, i & 0xff), 0);
		assert_int_equal(cpu_byte(phys_of(i)), i & 0xff);
	}
	for (uint64_t i = 4 * PAGE; i < 74 * PAGE; i += 3001) {
		assert_int_equal(client_ask(&client, CLIENT_WRITE, i, 0x5a), 0);
		assert_int_equal(before[i - 4 * PAGE], 0x5a);
		assert_int_equal(meanwhile[i - 4 * PAGE], 0x5a);
		before[i - 4 * PAGE] = 0x11;
		assert_int_equal(client_ask(&client, CLIENT_READ, i, 0), 0x11);
		meanwhile[i - 4 * PAGE] = 0x12;
		assert_int_equal(client_ask(&client, CLIENT_READ, i, 0), 0x12);
		*(volatile uint8_t *)soc_virt(phys_of(i)) = 0x13;
		assert_int_equal(client_ask(&client, CLIENT_READ, i, 0), 0x13);
	}
	/* One file for all of it, and no copy. */
	assert_int_equal(client_ask(&client, CLIENT_INODE, 0, 0), inode_at(before));
	assert_int_equal(inode_at(meanwhile), inode_at(before));
	assert_int_equal(inode_at(soc_virt(FRAME(7))), inode_at(before));
	assert_int_not_equal(inode_at(soc_virt(FRAME(8))), inode_at(before));
	assert_int_not_equal(inode_at(berth_model_memory(FRAME(7))), inode_at(before));
	assert_int_equal(client_ask(&client, CLIENT_MAPPED, 0, 0), SCATTERED_SIZE);
	end_range(before, high, BERTH_MEMORY_CACHED);
	berth_port_unshare(fd);
	assert_int_equal(inode_at(meanwhile), inode_at(soc_virt(FRAME(8))));
	meanwhile[9] = 0x77;
	assert_int_equal(cpu_byte(high->base + 9), 0x77);
	assert_int_equal(cpu_byte(phys_of(5)), 5);
	end_range(meanwhile, high, BERTH_MEMORY_CACHED);
	client_end(&client, false);
	gate_stop();
}

static void devices_see_what_the_rules_say(void **state)
{
	const struct berth_range pages = { RAM + 16 * PAGE, 4 * PAGE };
	struct client client;
	uint64_t bus = pages.base + PAGE;
	int fd;

	START(state);
	client_start(&client);
	fd = berth_port_share(&pages, 1, BERTH_MEMORY_CACHED);
	assert_true(fd >= 0);
	assert_int_equal(client_give(&client, fd, pages.size), 0);
	dev_fill(plain, bus, 0x10, 64);
	berth_port_cache_invalidate(bus, 64);
	assert_int_equal(client_ask(&client, CLIENT_READ, PAGE, 0), 0x10);
	/* The client's store is in the cache, until it is cleaned. */
	client_ask(&client, CLIENT_WRITE, PAGE, 0x20);
	assert_int_equal(dev_byte(plain, bus), 0x10);
	assert_int_equal(dev_byte(coherent, bus), 0x20);
	berth_port_cache_clean(bus, 64);
	assert_int_equal(dev_byte(plain, bus), 0x20);
	/* What the device writes is in memory, until the lines are invalidated. */
	dev_fill(plain, bus, 0x30, 64);
	assert_int_equal(client_ask(&client, CLIENT_READ, PAGE, 0), 0x20);
	berth_port_cache_invalidate(bus, 64);
	assert_int_equal(client_ask(&client, CLIENT_READ, PAGE, 0), 0x30);
	dev_fill(coherent, bus, 0x40, 64);
	assert_int_equal(client_ask(&client, CLIENT_READ, PAGE, 0), 0x40);
	/* Dirty lines stay dirty on the way back. */
	berth_port_unshare(fd);
	assert_int_equal(dev_byte(plain, bus), 0x30);
	assert_int_equal(cpu_byte(bus), 0x40);
	berth_port_cache_clean(bus, 64);
	assert_int_equal(dev_byte(plain, bus), 0x40);
	client_end(&client, false);
	gate_stop();
}

static void uncached_memory_is_shared_as_it_is(void **state)
{
	const struct berth_range pages = { RAM + 16 * PAGE, 4 * PAGE };
	uint8_t *uncached, *range;
	struct client client;
	int fd;

	START(state);
	client_start(&client);
	assert_int_equal(berth_port_share(&pages, 1, BERTH_MEMORY_UNCACHED), -EINVAL);
	uncached = berth_port_remap(pages.base, pages.size, BERTH_MEMORY_UNCACHED);
	assert_non_null(uncached);
	uncached[PAGE] = 0x55;
	range = range_of(&pages, BERTH_MEMORY_WRITE_COMBINE);
	assert_int_equal(berth_port_share(&pages, 1, BERTH_MEMORY_CACHED), -EINVAL);
	fd = berth_port_share(&pages, 1, BERTH_MEMORY_UNCACHED);
	assert_true(fd >= 0);
	assert_int_equal(client_give(&client, fd, pages.size), 0);
	assert_int_equal(client_ask(&client, CLIENT_READ, PAGE, 0), 0x55);
	client_ask(&client, CLIENT_WRITE, PAGE, 0x66);
	assert_int_equal(uncached[PAGE], 0x66);
	assert_int_equal(range[PAGE], 0x66);
	assert_int_equal(dev_byte(plain, pages.base + PAGE), 0x66);
	dev_fill(plain, pages.base + PAGE, 0x67, 64);
	assert_int_equal(client_ask(&client, CLIENT_READ, PAGE, 0), 0x67);
	assert_int_equal(client_ask(&client, CLIENT_INODE, 0, 0), inode_at(uncached));
	assert_int_equal(inode_at(range), inode_at(uncached));
	berth_port_unshare(fd);
	client_ask(&client, CLIENT_WRITE, PAGE, 0x68);
	assert_int_equal(uncached[PAGE], 0x67);
	assert_int_equal(range[PAGE], 0x67);
	range[PAGE] = 0x69;
	assert_int_equal(uncached[PAGE], 0x69);
	end_range(range, &pages, BERTH_MEMORY_WRITE_COMBINE);
	berth_port_unremap(uncached, pages.base, pages.size);
	client_end(&client, false);
	gate_stop();
}

/* Cached as long as it is shared so, with no mapping of our own. */
static void high_memory_is_shared(void **state)
{
	const struct berth_range pages = { NO_MAP + 3 * PAGE, 2 * PAGE };
	struct client client;
	uint8_t *range;
	int fd;

	START(state);
	client_start(&client);
	dev_fill(plain, pages.base, 0x21, PAGE);
	fd = berth_port_share(&pages, 1, BERTH_MEMORY_CACHED);
	assert_true(fd >= 0);
	assert_int_equal(client_give(&client, fd, pages.size), 0);
	assert_int_equal(client_ask(&client, CLIENT_READ, 0, 0), 0x21);
	client_ask(&client, CLIENT_WRITE, 0, 0x22);
	assert_int_equal(dev_byte(plain, pages.base), 0x21);
	assert_int_equal(dev_byte(coherent, pages.base), 0x22);
	range = range_of(&pages, BERTH_MEMORY_CACHED);
	assert_int_equal(range[0], 0x22);
	end_range(range, &pages, BERTH_MEMORY_CACHED);
	client_ask(&client, CLIENT_WRITE, 1, 0x23);
	berth_port_unshare(fd);
	/* The last cached view has gone, and with it what was in the cache. */
	assert_int_equal(dev_byte(plain, pages.base), 0x22);
	assert_int_equal(dev_byte(plain, pages.base + 1), 0x23);
	fd = berth_port_share(&pages, 1, BERTH_MEMORY_WRITE_COMBINE);
	assert_true(fd >= 0);
	assert_int_equal(client_give(&client, fd, pages.size), 0);
	client_ask(&client, CLIENT_WRITE, 1, 0x24);
	assert_int_equal(dev_byte(plain, pages.base + 1), 0x24);
	range = range_of(&pages, BERTH_MEMORY_UNCACHED);
	assert_int_equal(range[1], 0x24);
	end_range(range, &pages, BERTH_MEMORY_UNCACHED);
	berth_port_unshare(fd);
	assert_int_equal(dev_byte(plain, pages.base + 1), 0x24);
	client_end(&client, false);
	gate_stop();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOTH(both_see_one_memory),
		BOTH(devices_see_what_the_rules_say),
		BOTH(uncached_memory_is_shared_as_it_is),
		BOTH(high_memory_is_shared),
	};

	if (argc > 1 && !strcmp(argv[1], CLIENT_ARGUMENT))
		return client_main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
