/* SPDX-License-Identifier: BSD-2-Clause */
/* What memory was used for, sampled over time. */
#ifndef TOOL_MEMORY_LOG_H
#define TOOL_MEMORY_LOG_H

#include <stdint.h>

#include <berth/mm.h>

#define MEMORY_LOG_ROWS 32768
#define MEMORY_LOG_COLUMNS 256

/* A row is a piece of RAM of @row_pages pages, a column a moment. */
struct memory_log {
	uint64_t row_pages;
	unsigned int rows, columns;
	uint64_t pfn[MEMORY_LOG_ROWS]; /* where each row starts */
	uint64_t skip, turn; /* so many samples are left out between two columns */
	uint64_t frame[MEMORY_LOG_COLUMNS]; /* frames that were done */
	uint8_t *use[MEMORY_LOG_COLUMNS]; /* of each row: enum memory_use */
};

/* enum berth_page_use, and what a tenant's page is for. */
enum memory_use {
	MEMORY_USE_FILE = BERTH_PAGE_USES,
	MEMORY_USES,
};

/* While berth runs: look at memory now; @frame frames are done. */
void memory_log_sample(struct memory_log *log, uint64_t frame);

/* The most telling use of the pages of a row: free only if all of them are. */
unsigned int memory_log_use(uint64_t pfn, uint64_t pages);

void memory_log_free(struct memory_log *log);

#endif
