/* SPDX-License-Identifier: BSD-2-Clause */
/* What the calls of a trace of memory.c share. */
#ifndef BERTH_TESTS_FUZZ_MEMORY_TRACE_H
#define BERTH_TESTS_FUZZ_MEMORY_TRACE_H

#include <berth/error.h>

#include "memory_model.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

/* The next bytes of the input, zeroes at its end. */
uint8_t take(void);
unsigned int take2(void);
gfp_t take_gfp(void);
/* First page number behind what @gfp allows. */
uint64_t end_of(gfp_t gfp);
uint64_t min(uint64_t a, uint64_t b);

/* Called before what may fail. */
void before(void);
/* Of that call: whether an allocation in it may be made to fail, and whether its cost is known. */
extern bool was_armed, is_exact;

/* The last call has failed with @code and one of @reasons. */
void failed_with(int code, unsigned int reasons);
#define REASON(name) (1u << BERTH_REASON_##name)
/* The last call was a release of what was not handed out. */
void refused(void);

/* A free of pages that must be refused. */
void wrong_free(struct page *page, unsigned int order);
/* Some pages from the beginning or the end of an object are given back. */
uint64_t take_part(const struct object *object, uint64_t *nr);
void shrink(struct object *object, uint64_t pfn, uint64_t nr);

/* The calls. */
void get_range(void);
void get_contig(void);
void get_cma(void);
void put_cma(void);
void explain(void);
void get_object(void);
void put_object(void);
void new_tenant(void);
void new_tenants(void);
void free_tenant(void);
void put_orphan(void);
void adopt(void);
void clean_or_dirty(void);
void pin(void);
void unpin(void);
void hold(void);
void move(void);
void set_tenant(void);

#endif
