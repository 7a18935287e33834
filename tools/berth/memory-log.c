// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "memory-log.h"
#include "tenants.h"

static unsigned int page_use(uint64_t pfn)
{
	enum berth_page_use use = berth_page_use(pfn);

	if (use == BERTH_PAGE_TENANT && tenant_kind(pfn) == TENANT_FILE)
		return MEMORY_USE_FILE;
	return use;
}

unsigned int memory_log_use(uint64_t pfn, uint64_t pages)
{
	uint64_t count[MEMORY_USES] = { 0 };
	unsigned int best = BERTH_PAGE_ABSENT;

	for (uint64_t i = 0; i < pages; i++)
		count[page_use(pfn + i)]++;
	if (count[BERTH_PAGE_FREE] + count[BERTH_PAGE_FREE_CMA] + count[BERTH_PAGE_ABSENT] < pages)
		count[BERTH_PAGE_FREE] = count[BERTH_PAGE_FREE_CMA] = count[BERTH_PAGE_ABSENT] = 0;
	for (unsigned int use = 0; use < MEMORY_USES; use++)
		if (count[use] > count[best])
			best = use;
	return best;
}

static void lay_out(struct memory_log *log)
{
	uint64_t pages = 0;

	for (unsigned int i = 0; i < berth_nr_mem_maps; i++)
		pages += berth_mem_map[i].nr;
	log->row_pages = 1;
	while (pages / log->row_pages > MEMORY_LOG_ROWS - BERTH_MAX_BANKS)
		log->row_pages *= 2;
	for (unsigned int i = 0; i < berth_nr_mem_maps; i++)
		for (uint64_t at = 0; at < berth_mem_map[i].nr; at += log->row_pages)
			log->pfn[log->rows++] = berth_mem_map[i].pfn + at;
}

/* Make room: every second column goes, and from now on every second sample. */
static void thin_out(struct memory_log *log)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < log->columns; i++) {
		if (i % 2) {
			free(log->use[i]);
			continue;
		}
		log->use[kept] = log->use[i];
		log->frame[kept++] = log->frame[i];
	}
	log->columns = kept;
	log->skip = log->skip * 2 + 1;
}

void memory_log_sample(struct memory_log *log, uint64_t frame)
{
	uint8_t *use;

	if (!log->rows)
		lay_out(log);
	if (log->turn++ % (log->skip + 1))
		return;
	if (log->columns == MEMORY_LOG_COLUMNS)
		thin_out(log);
	use = malloc(log->rows);
	if (!use)
		return;
	for (unsigned int row = 0; row < log->rows; row++)
		use[row] = (uint8_t)memory_log_use(log->pfn[row], log->row_pages);
	log->use[log->columns] = use;
	log->frame[log->columns++] = frame;
}

void memory_log_free(struct memory_log *log)
{
	for (unsigned int i = 0; i < log->columns; i++)
		free(log->use[i]);
	memset(log, 0, sizeof(*log));
}
