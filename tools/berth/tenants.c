// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <berth/anon.h>
#include <berth/cma.h>
#include <berth/error.h>
#include <berth/file.h>
#include <berth/filecache.h>
#include <berth/migrate.h>

#include "tenants.h"

/* Of the memory that is free: in movable memory, and the size of the file. */
#define ANON_PERCENT 45
#define FILE_PERCENT 80
/* Each page of movable memory may be a mapping of the process, and Linux gives it 65530. */
#define ANON_MOST 56000u
/* Pages of each kind that are used between two frames. */
#define USES 64
/* The part of the file that is mapped. */
#define MAPPED_PAGES 256u

struct tenants {
	struct tenant_work *work;
	uint64_t random;
	uint8_t *anon;
	uint64_t anon_pages;
	uint32_t *anon_versions; /* what was written last, where no page moves */
	struct backing *backing;
	struct cached_file *file;
	uint8_t *mapped;
	uint64_t file_pages;
	uint32_t *file_versions;
	uint64_t moved, dropped;
	uint8_t *kinds; /* of the pages of RAM, when they were remembered */
};

static uint64_t any_below(struct tenants *t, uint64_t limit)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return (t->random >> 11) % limit;
}

/* The bytes of a page in a version: no two pages are alike, nor two versions of one. */
static void stamp(uint64_t *words, uint64_t page, uint32_t version)
{
	uint64_t value = (page << 32 | version) * 0x9e3779b97f4a7c15ull;

	for (size_t i = 0; i < PAGE_SIZE / sizeof(*words); i++)
		words[i] = value + i;
}

static bool is_stamped(const uint64_t *words, uint64_t page, uint32_t version)
{
	uint64_t value = (page << 32 | version) * 0x9e3779b97f4a7c15ull;

	for (size_t i = 0; i < PAGE_SIZE / sizeof(*words); i++)
		if (words[i] != value + i)
			return false;
	return true;
}

static void check(struct tenants *t, const void *bytes, uint64_t page, uint32_t version)
{
	t->work->checks++;
	if (!is_stamped(bytes, page, version))
		t->work->wrong++;
}

static void *anon_page(const struct tenants *t, uint64_t page)
{
	return t->anon + page * PAGE_SIZE;
}

/* A page of the file by read(), which has to be all of it. */
static void check_file(struct tenants *t, uint64_t page)
{
	static uint64_t bytes[PAGE_SIZE / sizeof(uint64_t)];

	if (berth_filecache_read(t->file, bytes, page * PAGE_SIZE, PAGE_SIZE) != PAGE_SIZE)
		memset(bytes, 0, sizeof(bytes));
	check(t, bytes, page, t->file_versions[page]);
}

static bool write_file(struct tenants *t, uint64_t page, uint32_t version)
{
	static uint64_t bytes[PAGE_SIZE / sizeof(uint64_t)];

	stamp(bytes, page, version);
	if (berth_filecache_write(t->file, bytes, page * PAGE_SIZE, PAGE_SIZE) != PAGE_SIZE)
		return false;
	t->file_versions[page] = version;
	return true;
}

void tenants_use(struct tenants *t)
{
	for (unsigned int i = 0; i < USES; i++) {
		uint64_t page = any_below(t, t->anon_pages);

		check(t, anon_page(t, page), page, t->anon_versions[page]);
		stamp(anon_page(t, page), page, ++t->anon_versions[page]);
		check_file(t, any_below(t, t->file_pages));
	}
	for (unsigned int i = 0; i < USES / 16; i++) {
		uint64_t page = any_below(t, t->file_pages);

		/* Through the mapping where there is one: it is the same page. */
		if (page < MAPPED_PAGES)
			stamp((uint64_t *)(void *)(t->mapped + page * PAGE_SIZE), page,
			      ++t->file_versions[page]);
		else if (!write_file(t, page, t->file_versions[page] + 1))
			t->work->wrong++;
	}
}

static int why(char *error, size_t size, const char *what)
{
	char text[256];

	berth_error_text(NULL, text, sizeof(text));
	snprintf(error, size, "%s: %s", what, text);
	return -1;
}

/* A file without a name, for as long as it is open. */
static struct backing *open_temporary(char *error, size_t size)
{
	const char *folder = getenv("TMPDIR");
	char path[512];
	struct backing *backing = NULL;
	int fd;

	snprintf(path, sizeof(path), "%s/berth-run-XXXXXX", folder && *folder ? folder : "/tmp");
	fd = mkstemp(path);
	if (fd < 0) {
		snprintf(error, size, "%s: %s", path, strerror(errno));
		return NULL;
	}
	backing = berth_file_open(path, BERTH_FILE_WRITE);
	if (!backing)
		why(error, size, path);
	unlink(path);
	close(fd);
	return backing;
}

/* Both grow in turns, by a few pages, and end together: so each piece of memory is of both kinds. */
static int fill_both(struct tenants *t, char *error, size_t size)
{
	uint64_t anon = 0, file = 0;

	while (anon < t->anon_pages || file < t->file_pages) {
		for (uint64_t nr = any_below(t, 8) + 1; nr && anon < t->anon_pages; nr--, anon++) {
			if (berth_anon_populate(anon_page(t, anon), PAGE_SIZE))
				return why(error, size, "movable memory");
			stamp(anon_page(t, anon), anon, 0);
		}
		for (uint64_t nr = any_below(t, 15) + 1; nr && file < t->file_pages; nr--, file++)
			if (!write_file(t, file, 0))
				return why(error, size, "a file in the cache");
	}
	return berth_filecache_sync(t->file) ? why(error, size, "a file in the cache") : 0;
}

static int fill_memory(struct tenants *t, char *error, size_t size)
{
	t->anon = berth_anon_alloc(t->anon_pages * PAGE_SIZE);
	if (!t->anon)
		return why(error, size, "movable memory");
	t->backing = open_temporary(error, size);
	if (!t->backing)
		return -1;
	t->file = berth_filecache_open(t->backing);
	if (!t->file)
		return why(error, size, "the file cache");
	t->mapped = berth_filecache_map(t->file, 0, (uint64_t)MAPPED_PAGES * PAGE_SIZE,
					BERTH_ACCESS_WRITE);
	if (!t->mapped)
		return why(error, size, "a mapped file");
	return fill_both(t, error, size);
}

static void count_pages(uint64_t pages[TENANT_KINDS])
{
	for (unsigned int i = 0; i < berth_nr_mem_maps; i++)
		for (uint64_t n = 0; n < berth_mem_map[i].nr; n++)
			pages[tenant_kind(berth_mem_map[i].pfn + n)]++;
}

static int add_area(struct cma *cma, void *data)
{
	struct berth_cma_stats stats, *sum = data;

	berth_cma_stats(cma, &stats);
	sum->migrated += stats.migrated;
	sum->dropped += stats.dropped;
	return 0;
}

static struct berth_cma_stats area_stats(void)
{
	struct berth_cma_stats sum = { 0 };

	cma_for_each_area(add_area, &sum);
	return sum;
}

static void give_back(struct tenants *t)
{
	struct tenant_work *work = t->work;
	struct berth_cma_stats areas = area_stats();
	struct berth_filecache_stats stats;

	berth_filecache_stats(NULL, &stats);
	work->hits = stats.hits;
	work->misses = stats.misses;
	work->written = stats.written;
	work->moved = areas.migrated - t->moved;
	work->dropped = areas.dropped - t->dropped;
	berth_filecache_unmap(t->mapped);
	if (t->file && berth_filecache_close(t->file)) {
		work->wrong++;
		berth_filecache_discard(t->file);
	}
	berth_file_close(t->backing);
	berth_anon_free(t->anon);
	free(t->anon_versions);
	free(t->file_versions);
	free(t->kinds);
	free(t);
}

struct tenants *tenants_start(uint64_t seed, struct tenant_work *work, char *error, size_t size)
{
	struct tenants *t = calloc(1, sizeof(*t));
	struct berth_cma_stats areas;
	struct berth_memory_info info;

	berth_memory_info(&info);
	if (!t || info.free < 256 * PAGE_SIZE) {
		snprintf(error, size, "there is too little memory");
		free(t);
		return NULL;
	}
	t->work = work;
	t->random = seed * 2 + 0x2545f4914f6cdd1dull;
	t->anon_pages = info.free / PAGE_SIZE * ANON_PERCENT / 100;
	t->file_pages = info.free / PAGE_SIZE * FILE_PERCENT / 100;
	if (t->anon_pages > ANON_MOST) {
		t->anon_pages = ANON_MOST;
		t->file_pages = (info.free / PAGE_SIZE - ANON_MOST) * 5 / 4;
	}
	if (t->file_pages < MAPPED_PAGES)
		t->file_pages = MAPPED_PAGES;
	t->anon_versions = calloc(t->anon_pages, sizeof(*t->anon_versions));
	t->file_versions = calloc(t->file_pages, sizeof(*t->file_versions));
	snprintf(error, size, "there is too little memory");
	if (!t->anon_versions || !t->file_versions || fill_memory(t, error, size)) {
		give_back(t);
		return NULL;
	}
	tenants_use(t);
	count_pages(work->pages);
	areas = area_stats();
	t->moved = areas.migrated;
	t->dropped = areas.dropped;
	return t;
}

void tenants_end(struct tenants *t)
{
	for (uint64_t page = 0; page < t->anon_pages; page++)
		check(t, anon_page(t, page), page, t->anon_versions[page]);
	for (uint64_t page = 0; page < t->file_pages; page++)
		check_file(t, page);
	give_back(t);
}

enum tenant_kind tenant_kind(uint64_t pfn)
{
	const struct movable_operations *ops;

	if (berth_page_use(pfn) != BERTH_PAGE_TENANT)
		return TENANT_NONE;
	ops = berth_page_tenant(pfn_to_page(pfn));
	return ops && ops->name && !strcmp(ops->name, "file cache") ? TENANT_FILE : TENANT_ANON;
}

void tenants_remember(struct tenants *t)
{
	uint64_t at = 0;

	if (!t->kinds) {
		for (unsigned int i = 0; i < berth_nr_mem_maps; i++)
			at += berth_mem_map[i].nr;
		t->kinds = malloc(at);
		at = 0;
	}
	for (unsigned int i = 0; t->kinds && i < berth_nr_mem_maps; i++)
		for (uint64_t n = 0; n < berth_mem_map[i].nr; n++)
			t->kinds[at++] = (uint8_t)tenant_kind(berth_mem_map[i].pfn + n);
}

void tenants_held(const struct tenants *t, uint64_t pfn, uint64_t pages,
		  uint64_t held[TENANT_KINDS])
{
	uint64_t at = 0;

	for (unsigned int i = 0; t->kinds && i < berth_nr_mem_maps; i++) {
		const struct berth_mem_map *map = &berth_mem_map[i];

		for (uint64_t n = 0; n < map->nr; n++, at++)
			if (map->pfn + n - pfn < pages)
				held[t->kinds[at]]++;
	}
}
