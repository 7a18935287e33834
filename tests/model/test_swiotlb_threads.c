/* SPDX-License-Identifier: BSD-2-Clause */
/* Bounce buffers under threads: two devices, more mappings than slots, every byte its own. */
#include <pthread.h>

#include "boards.h"
#include "machine.h"

#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/swiotlb.h>

#define THREADS 4
#define LIVE 16
#define ROUNDS 3000
#define MOST 20000u

static struct device dev[2];
static unsigned int nr_wrong, nr_full, nr_done;

struct mapping {
	uint8_t *pages, *at;
	dma_addr_t addr;
	size_t size;
	enum dma_data_direction dir;
	uint8_t byte;
};

static void count(unsigned int *what)
{
	__atomic_fetch_add(what, 1, __ATOMIC_RELAXED);
}

static bool are(const uint8_t *at, size_t size, uint8_t byte)
{
	for (size_t i = 0; i < size; i++)
		if (at[i] != byte)
			return false;
	return true;
}

/* What the device sees; it is coherent, so that is what the CPU sees. */
static uint8_t *seen(const struct mapping *m)
{
	return phys_to_virt(m->addr);
}

static void end(struct device *d, struct mapping *m)
{
	if (m->dir != DMA_FROM_DEVICE && !are(seen(m), m->size, m->byte))
		count(&nr_wrong);
	if (m->dir != DMA_TO_DEVICE)
		memset(seen(m), (uint8_t)~m->byte, m->size);
	dma_unmap_single(d, m->addr, m->size, m->dir);
	if (!are(m->at, m->size, m->dir == DMA_TO_DEVICE ? m->byte : (uint8_t)~m->byte))
		count(&nr_wrong);
	m->size = 0;
}

static void begin(struct device *d, struct mapping *m, uint64_t random)
{
	m->size = 1 + (random >> 8) % (random & 16 ? MOST : 4096);
	m->byte = (uint8_t)random;
	m->dir = (enum dma_data_direction)((random >> 40) % 3);
	m->at = m->pages + (random >> 50 & 511);
	memset(m->at, m->byte, m->size);
	m->addr = dma_map_single_attrs(d, m->at, m->size, m->dir, DMA_ATTR_NO_WARN);
	if (dma_mapping_error(d, m->addr)) {
		if (berth_last_error()->reason != BERTH_REASON_BOUNCE_FULL)
			count(&nr_wrong);
		count(&nr_full);
		m->size = 0;
		return;
	}
	count(&nr_done);
}

static void *run(void *data)
{
	uint64_t random = 88172645463325252ull + (uintptr_t)data;
	struct mapping live[LIVE] = { 0 };
	struct device *d = &dev[(uintptr_t)data % 2];

	for (unsigned int i = 0; i < LIVE; i++)
		live[i].pages = alloc_pages_exact(MOST + 512, GFP_KERNEL);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct mapping *m = &live[i % LIVE];

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		if (m->size)
			end(d, m);
		else
			begin(d, m, random);
	}
	for (unsigned int i = 0; i < LIVE; i++) {
		if (live[i].size)
			end(d, &live[i]);
		free_pages_exact(live[i].pages, MOST + 512);
	}
	return NULL;
}

static void every_byte_is_its_own(void **state)
{
	static const char *const bootargs[] = { "swiotlb=128,1", "swiotlb=1024,4",
						"swiotlb=force" };

	(void)state;
	for (size_t n = 0; n < ARRAY_SIZE(bootargs); n++) {
		struct berth_swiotlb_info info;
		pthread_t threads[THREADS];

		nr_wrong = nr_full = nr_done = 0;
		must_start(board_network, NULL, bootargs[n]);
		memset(dev, 0, sizeof(dev));
		for (int i = 0; i < 2; i++) {
			assert_int_equal(device_register(&dev[i], "test-device"), 0);
			berth_device_set_coherent(&dev[i], true);
		}
		for (uintptr_t i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, run, (void *)i), 0);
		for (size_t i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		assert_int_equal(nr_wrong, 0);
		assert_true(nr_done > 1000);
		berth_swiotlb_info(NULL, &info);
		assert_int_equal(info.used, 0);
		assert_int_equal(info.nr_maps, nr_done);
		assert_int_equal(info.nr_full, nr_full);
		for (int i = 0; i < 2; i++)
			device_unregister(&dev[i]);
		must_stop();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_byte_is_its_own) };

	return cmocka_run_group_tests_name("swiotlb threads", tests, NULL, NULL);
}
