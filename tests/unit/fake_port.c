// SPDX-License-Identifier: BSD-2-Clause
#include "fake_port.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <berth/gfp.h>
#include <berth/memblock.h>

#include "mm/internal.h"

#if BERTH_FAKE_ASAN
#include <sanitizer/asan_interface.h>
#endif

struct berth_port_linear berth_port_linear;
__thread unsigned int berth_fake_irq_depth;
__thread unsigned int berth_fake_slot = 1;
bool berth_fake_pattern;
unsigned int fake_line_size = 64;
uint64_t fake_clock_step;
void (*fake_cache_clean)(phys_addr_t phys, uint64_t size);

static __thread uint64_t random_state;

void berth_port_poison(const void *addr, size_t size)
{
#if BERTH_FAKE_ASAN
	__asan_poison_memory_region(addr, size);
#else
	(void)addr;
	(void)size;
#endif
}

void berth_port_unpoison(const void *addr, size_t size)
{
#if BERTH_FAKE_ASAN
	__asan_unpoison_memory_region(addr, size);
#endif
	memset((void *)(uintptr_t)addr, 0xa5, size);
}

bool fake_is_poisoned(const void *byte)
{
#if BERTH_FAKE_ASAN
	return __asan_address_is_poisoned(byte);
#else
	(void)byte;
	return false;
#endif
}

unsigned int berth_port_line_size(void)
{
	return fake_line_size;
}

void berth_port_cache_clean(phys_addr_t phys, uint64_t size)
{
	if (fake_cache_clean)
		fake_cache_clean(phys, size);
}

unsigned int berth_port_slots_in_use(void)
{
	return BERTH_PORT_MAX_SLOTS;
}

struct berth_error *berth_port_error(void)
{
	static __thread struct berth_error error;

	return &error;
}

void berth_port_lock_wait(uint32_t *word, uint32_t value)
{
	static __thread unsigned int spins;

	/* Nobody holds a lock for long, unless the waiter holds it itself. */
	if (__atomic_load_n(word, __ATOMIC_RELAXED) != value)
		spins = 0;
	else if (++spins > 10000000)
		berth_port_panic("a lock is taken twice");
	sched_yield();
}

/* Whoever is waited for may not be running. */
void berth_port_relax(void)
{
	sched_yield();
}

uint64_t berth_port_now(void)
{
	static uint64_t stepped;
	struct timespec now;

	if (fake_clock_step)
		return __atomic_add_fetch(&stepped, fake_clock_step, __ATOMIC_RELAXED);
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Nobody is woken: whoever waits looks again. */
int berth_port_wait(const uint32_t *word, uint32_t value, uint64_t deadline_ns)
{
	if (berth_fake_irq_depth)
		berth_port_panic("a wait with interrupts off");
	if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value && berth_port_now() < deadline_ns)
		sched_yield();
	return 0;
}

/* Who waits looks again by itself. */
void berth_port_wake(const uint32_t *word)
{
	(void)word;
}

void __iomem *berth_port_ioremap(phys_addr_t phys, uint64_t size)
{
	static uint64_t registers[512];

	return phys == 0x1000 && size <= sizeof(registers) ? registers : NULL;
}

void __iomem *berth_port_ioremap_wc(phys_addr_t phys, uint64_t size)
{
	return berth_port_ioremap(phys, size);
}

void berth_port_iounmap(void __iomem *cookie)
{
	(void)cookie;
}

void *berth_port_remap(phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	(void)size;
	(void)type;
	return phys_to_virt(phys);
}

void berth_port_unremap(void *virt, phys_addr_t phys, uint64_t size)
{
	(void)virt;
	(void)phys;
	(void)size;
}

/* Ranges: RAM is a file, and may be mapped twice. */

static uint64_t high_size;

#define FAKE_RANGES 4096

static pthread_mutex_t ranges_lock = PTHREAD_MUTEX_INITIALIZER;
static struct berth_range ranges[FAKE_RANGES];
static int ram_file = -1;
unsigned int fake_ranges;
uint64_t fake_range_pages;

void *berth_port_range_reserve(uint64_t size)
{
	char *area = mmap(NULL, size + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			  -1, 0);

	if (area == MAP_FAILED)
		return NULL;
	pthread_mutex_lock(&ranges_lock);
	for (unsigned int i = 0; i < FAKE_RANGES; i++)
		if (!ranges[i].size) {
			ranges[i] = (struct berth_range){ (uintptr_t)area + 4096, size };
			break;
		}
	fake_ranges++;
	pthread_mutex_unlock(&ranges_lock);
	return area + 4096;
}

void berth_port_range_release(void *virt, uint64_t size)
{
	bool found = false;

	pthread_mutex_lock(&ranges_lock);
	for (unsigned int i = 0; i < FAKE_RANGES && !found; i++)
		if (ranges[i].base == (uintptr_t)virt && ranges[i].size == size) {
			ranges[i].size = 0;
			found = true;
		}
	fake_ranges--;
	pthread_mutex_unlock(&ranges_lock);
	if (!found)
		berth_port_panic("a range that was not reserved");
	munmap((char *)virt - 4096, size + 8192);
}

int berth_port_share(const struct berth_range *runs, unsigned int nr, enum berth_memory_type type)
{
	(void)runs;
	(void)nr;
	(void)type;
	return -EOPNOTSUPP;
}

void berth_port_unshare(int handle)
{
	(void)handle;
}

int berth_port_range_map(void *virt, phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	(void)type;
	if (mmap(virt, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, ram_file,
		 (off_t)(phys - berth_port_linear.phys)) == MAP_FAILED)
		berth_port_panic("mmap");
	__atomic_add_fetch(&fake_range_pages, size / 4096, __ATOMIC_RELAXED);
	return 0;
}

void berth_port_range_unmap(void *virt, phys_addr_t phys, uint64_t size,
			    enum berth_memory_type type)
{
	(void)phys;
	(void)type;
	if (mmap(virt, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
		 0) == MAP_FAILED)
		berth_port_panic("mmap");
	__atomic_sub_fetch(&fake_range_pages, size / 4096, __ATOMIC_RELAXED);
}

static void ranges_stop(void)
{
	for (unsigned int i = 0; i < FAKE_RANGES; i++)
		if (ranges[i].size)
			munmap((char *)(uintptr_t)ranges[i].base - 4096, ranges[i].size + 8192);
	memset(ranges, 0, sizeof(ranges));
	fake_ranges = 0;
	fake_range_pages = 0;
	close(ram_file);
}

void berth_port_print(const char *text, size_t length)
{
	fwrite(text, 1, length, stderr);
}

void berth_port_panic(const char *message)
{
	fprintf(stderr, "panic: %s\n", message);
	abort();
}

/* Where RAM is. The shadow of what lies between the banks may be large. */
static struct berth_range ram[BERTH_MAX_BANKS];
static unsigned int nr_ram;

static void unpoison_ram(void)
{
	for (unsigned int i = 0; i < nr_ram; i++) {
#if BERTH_FAKE_ASAN
		__asan_unpoison_memory_region(phys_to_virt(ram[i].base), ram[i].size);
#endif
	}
}

void fake_ram(const struct berth_range *banks, unsigned int nr)
{
	phys_addr_t base = banks[0].base;
	uint64_t size = banks[nr - 1].base + banks[nr - 1].size - base;
	char *arena;

	ram_file = memfd_create("ram", MFD_CLOEXEC);
	if (ram_file < 0 || ftruncate(ram_file, (off_t)size))
		berth_port_panic("memfd_create");
	arena = mmap(NULL, size, PROT_NONE, MAP_SHARED | MAP_NORESERVE, ram_file, 0);
	if (arena == MAP_FAILED)
		berth_port_panic("mmap");
	berth_port_linear.virt = (uintptr_t)arena;
	berth_port_linear.phys = base;
	berth_port_linear.size = size;
	nr_ram = nr < ARRAY_SIZE(ram) ? nr : ARRAY_SIZE(ram);
	memcpy(ram, banks, nr_ram * sizeof(ram[0]));
	unpoison_ram();
	berth_memblock_reset();
	for (unsigned int i = 0; i < nr; i++) {
		char *at = arena + (banks[i].base - base);

		if (mprotect(at, banks[i].size, PROT_READ | PROT_WRITE))
			berth_port_panic("mprotect");
		if (memblock_add(banks[i].base, banks[i].size))
			berth_port_panic("memblock_add");
	}
}

void fake_high(uint64_t size)
{
	berth_port_linear.size -= size;
	if (mprotect((void *)(berth_port_linear.virt + berth_port_linear.size), size, PROT_NONE) ||
	    berth_memblock_mark_highmem(berth_port_linear.phys + berth_port_linear.size, size))
		berth_port_panic("high memory");
	high_size = size;
}

void fake_start(const struct berth_range *banks, unsigned int nr)
{
	fake_ram(banks, nr);
	if (berth_mm_start())
		berth_port_panic("berth_mm_start");
}

void fake_stop(void)
{
	if (berth_fake_irq_depth)
		berth_port_panic("interrupts were left off");
	for (unsigned int i = 0; i < NR_ZONES; i++)
		if (berth_zones[i].lock.word)
			berth_port_panic("a zone was left locked");
	berth_mm_stop();
	berth_memblock_reset();
	unpoison_ram();
	munmap((void *)berth_port_linear.virt, berth_port_linear.size + high_size);
	high_size = 0;
	ranges_stop();
	memset(&berth_port_linear, 0, sizeof(berth_port_linear));
}

void fake_seed(uint64_t seed)
{
	random_state = seed * 0x9e3779b97f4a7c15u + 1;
}

uint32_t fake_random(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 32) % below);
}

#define REQUIRE(condition)                                           \
	do {                                                         \
		if (!(condition))                                    \
			berth_port_panic("free lists: " #condition); \
	} while (0)

static void check_list(const struct zone *zone, unsigned int order, unsigned int type,
		       uint64_t *nr_free)
{
	uint32_t prev = NO_PAGE;

	for (uint32_t pfn = zone->first[order][type]; pfn != NO_PAGE;) {
		const struct berth_mem_map *bank = bank_of(pfn);
		const struct page *page = pfn_to_page(pfn);
		uint64_t buddy = pfn ^ (1ULL << order);

		REQUIRE(bank && pfn + (1ULL << order) <= bank->pfn + bank->nr);
		REQUIRE(pfn % (1u << order) == 0);
		REQUIRE(&berth_zones[zone_index(pfn)] == zone);
		REQUIRE(page->flags == (PG_FREE | order | type << PG_TYPE_SHIFT));
		REQUIRE(page->prev == prev && page->refcount == 0);
		for (uint64_t i = 0; i < 1u << order; i++) {
			REQUIRE(*block_type(bank, pfn + i) == type);
			REQUIRE(i == 0 || page[i].flags == PG_TAIL);
			REQUIRE(!fake_has_asan() || zone == &berth_zones[ZONE_HIGHMEM] ||
				fake_is_poisoned(phys_to_virt(PFN_PHYS(pfn + i))));
		}
		if (order < MAX_ORDER && bank_of(buddy) == bank) {
			const struct page *other = pfn_to_page(buddy);

			/* Two free halves are one block, unless one of them is CMA's. */
			if ((other->flags & (PG_STATE | PG_ORDER)) == (PG_FREE | order))
				REQUIRE(type != (other->flags & PG_TYPE) >> PG_TYPE_SHIFT &&
					(type >= MIGRATE_CMA ||
					 (other->flags & PG_TYPE) >> PG_TYPE_SHIFT >= MIGRATE_CMA));
		}
		*nr_free += 1ULL << order;
		prev = pfn;
		pfn = page->next;
	}
}

void fake_check_zones(void)
{
	berth_pcp_drain();
	for (unsigned int z = 0; z < NR_ZONES; z++) {
		const struct zone *zone = &berth_zones[z];
		uint64_t nr_free = 0;
		uint64_t free_cma = 0;

		for (unsigned int order = 0; order <= MAX_ORDER; order++)
			for (unsigned int type = 0; type < MIGRATE_TYPES; type++) {
				uint64_t before = nr_free;

				check_list(zone, order, type, &nr_free);
				if (is_cma_type(type))
					free_cma += nr_free - before;
				REQUIRE((zone->first[order][type] != NO_PAGE) ==
					((zone->orders[type] >> order) & 1));
			}
		REQUIRE(nr_free == zone->free);
		REQUIRE(free_cma == zone->free_cma);
		REQUIRE(nr_free <= zone->managed);
	}
}

uint64_t fake_free_hash(void)
{
	uint64_t hash = 0;

	berth_pcp_drain();
	/* The order of a list does not matter, nor does the type of what is not CMA's. */
	for (unsigned int i = 0; i < berth_nr_mem_maps; i++)
		for (uint64_t n = 0; n < berth_mem_map[i].nr; n++) {
			uint32_t flags = berth_mem_map[i].pages[n].flags;
			uint64_t key = berth_mem_map[i].pfn + n;

			if ((flags & PG_STATE) != PG_FREE)
				continue;
			key = key << 8 | (flags & PG_ORDER) << 1 |
			      is_cma_type((flags & PG_TYPE) >> PG_TYPE_SHIFT);
			key *= 0x9e3779b97f4a7c15u;
			hash += (key ^ (key >> 29)) * 0xbf58476d1ce4e5b9u;
		}
	return hash;
}
