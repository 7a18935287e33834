/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who has the pages of an area while it is measured. A kind of tenant fills in struct bench_tenant;
 * bench/cma.c measures with each of them.
 */
#ifndef BENCH_TENANTS_H
#define BENCH_TENANTS_H

#include <berth/cma.h>

/**
 * struct bench_tenant - a kind of tenant
 * @name: in the names of cases
 * @start: called once berth runs
 * @fill: the page at @pfn, which is free, becomes the tenant's @index-th page; @clean: one that can
 *	be dropped
 * @page: where the @index-th page is now, NULL if it was dropped
 * @drop: the tenant forgets its @index-th page, which has no other users
 * @stop: before berth stops; no page is left
 */
struct bench_tenant {
	const char *name;
	void (*start)(void);
	void (*fill)(uint64_t pfn, unsigned long index, bool clean);
	struct page *(*page)(unsigned long index);
	void (*drop)(unsigned long index);
	void (*stop)(void);
};

/* A table of pages, and nothing else: what berth itself costs. */
extern const struct bench_tenant bench_table_tenant;

#define BENCH_TENANT_PAGES (3ul * 65536)

#endif
