// SPDX-License-Identifier: BSD-2-Clause
/* The closing table, as text and as JSON. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "run.h"

static const char *const op_names[] = {
	[BERTH_MODEL_CLEAN] = "clean",
	[BERTH_MODEL_INVALIDATE] = "invalidate",
	[BERTH_MODEL_FLUSH] = "flush",
};

static void row(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void row(const char *name, const char *format, ...)
{
	va_list args;

	printf("%-30s", name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static void row_bytes(const char *name, uint64_t bytes)
{
	if (bytes >= 10u << 20)
		row(name, "%.1f MiB", (double)bytes / (1 << 20));
	else
		row(name, "%.1f KiB", (double)bytes / (1 << 10));
}

static void print_frames(const struct run_result *r)
{
	row("frames in, out", "%" PRIu64 ", %" PRIu64 " of %ux%u, %zu bytes each", r->frames_in,
	    r->frames_out, r->width, r->height, r->frame_bytes);
	row("identical at the display", "%" PRIu64, r->identical_display);
	row(r->pipeline.is_there ? "identical in another process" : "identical as the CPU saw them",
	    "%" PRIu64, r->identical_cpu);
	row("picture bytes copied by CPU", "%" PRIu64, r->copied);
}

static void print_pipeline(const struct run_result *r)
{
	const struct run_pipeline *p = &r->pipeline;

	if (!p->is_there)
		return;
	row("decoded", "%" PRIu64 " bytes to %" PRIu64 ", %" PRIu64 " damaged", p->coded_bytes,
	    r->frames_out * r->frame_bytes, p->damaged);
	row("  shared pictures", "%u, in %" PRIu64 " pieces each", p->pictures, p->pieces);
	row("  seen by another process", "%" PRIu64, p->seen);
	row("  fences", "%" PRIu64 " signalled, %" PRIu64 " with an error", p->fences,
	    p->fences_failed);
	row("  caches, between them", "clean %" PRIu64 ", invalidate %" PRIu64 " runs of memory",
	    p->cleans, p->invalidates);
}

static void print_allocation(const struct run_result *r)
{
	row("frame buffers", "%u", r->buffers);
	row("allocation latency", "median %.1f us, p99 %.1f us, max %.1f us (host, of %u)",
	    (double)r->latency.median_ns / 1e3, (double)r->latency.p99_ns / 1e3,
	    (double)r->latency.max_ns / 1e3, r->latency.samples);
	row("tries with CMA, without", "%u of %u, %u of %u succeeded", r->with_cma, r->tries,
	    r->without_cma, r->tries);
}

static void print_tenants(const struct run_options *options, const struct run_result *r)
{
	const struct tenant_work *t = &r->tenants;

	if (!options->tenants)
		return;
	row("tenants' pages", "%" PRIu64 " of the file cache, %" PRIu64 " of movable memory",
	    t->pages[TENANT_FILE], t->pages[TENANT_ANON]);
	for (unsigned int i = 0; i < r->buffers; i++) {
		const struct run_buffer *b = &r->buffer[i];

		printf("  frame buffer %-15u%" PRIu64 " pages, of which tenants held %" PRIu64
		       " (file cache %" PRIu64 ", movable %" PRIu64 ")\n",
		       i + 1, b->pages, b->held[TENANT_FILE] + b->held[TENANT_ANON],
		       b->held[TENANT_FILE], b->held[TENANT_ANON]);
	}
	row("  moved, dropped", "%" PRIu64 ", %" PRIu64 " pages", t->moved, t->dropped);
	row("  file cache", "%" PRIu64 " hits, %" PRIu64 " misses, %" PRIu64 " pages written back",
	    t->hits, t->misses, t->written);
	row("  their bytes", "%" PRIu64 " pages looked at, %" PRIu64 " wrong", t->checks, t->wrong);
}

static void print_network(const struct run_result *r)
{
	const struct network_work *n = &r->network;
	const struct berth_swiotlb_info *b = &r->bounce;

	if (n->is_there)
		row("network frames out, in",
		    "%" PRIu64 ", %" PRIu64 " with %" PRIu64 ", %" PRIu64 " bytes; %" PRIu64
		    " wrong",
		    n->frames_out, n->frames_in, n->bytes_out, n->bytes_in, n->wrong);
	if (n->is_there || b->nr_maps)
		row("bounce buffers",
		    "%" PRIu64 " mappings, %" PRIu64 " of the network card's; %" PRIu64
		    " bytes to devices, %" PRIu64 " from",
		    b->nr_maps, n->bounced, b->bytes_in, b->bytes_out);
}

/* Levels as budgets and papers count them: 1 is the root's entries. */
static void print_iommu(const struct run_result *r)
{
	const struct scatter_work *w = &r->display;
	double requests = w->requests ? (double)w->requests : 1;

	if (!w->is_there)
		return;
	row("display's protection", "%s", w->protection);
	if (w->pages)
		row("  its pictures",
		    "in %" PRIu64 " scattered pages, where %s put %" PRIu64 " bytes", w->pages,
		    r->pipeline.is_there ? "the decoder" : "an engine", w->moved);
	row("  mapped, faults", "%" PRIu64 ", %" PRIu64, w->requests, w->faults);
	row("  invalidation commands", "%" PRIu64 ", %.2f a picture", w->invalidations,
	    (double)w->invalidations / requests);
	row("  walk-cache misses", "level 1 %.2f, level 2 %.2f, level 3 %.2f a picture",
	    (double)w->misses[0] / requests, (double)w->misses[1] / requests,
	    (double)w->misses[2] / requests);
}

static void print_cache(const struct run_options *options, const struct run_result *r)
{
	const struct berth_model_stats *s = &r->stats;

	row("cache operations",
	    "%" PRIu64 " (clean %" PRIu64 ", invalidate %" PRIu64 ", flush %" PRIu64 ")",
	    s->cache_ops, r->cache_ops[BERTH_MODEL_CLEAN], r->cache_ops[BERTH_MODEL_INVALIDATE],
	    r->cache_ops[BERTH_MODEL_FLUSH]);
	row("cache lines", "%" PRIu64 " gone over, %" PRIu64 " written back", s->cache_lines,
	    s->written_back);
	row("by chance", "%" PRIu64 " lines evicted, %" PRIu64 " refilled", s->evicted,
	    s->refilled);
	if (r->dropped)
		row("left out", "operation %" PRIu64 ", %s of %" PRIu64 " bytes at 0x%" PRIx64,
		    options->model.drop_cache_op, op_names[r->dropped_op], r->dropped_size,
		    r->dropped_phys);
	else if (options->model.drop_cache_op)
		row("left out", "nothing: there was no operation %" PRIu64,
		    options->model.drop_cache_op);
}

static void print_last_line(const struct run_result *r)
{
	if (r->missing[0] && !r->error[0])
		printf("no frames: the board has no device compatible with %s\n", r->missing);
	else if (r->error[0])
		printf("%s: %s%s%s\n",
		       r->differs || r->frames_out != r->frames_in ? "DIFFERENT" : "FAILED",
		       r->error, r->differs ? "; first " : "", r->differs ? r->difference : "");
	else if (r->differs)
		printf("DIFFERENT: %s; of %" PRIu64 " frames %" PRIu64
		       " identical at the display, %" PRIu64 " %s\n",
		       r->difference, r->frames_in, r->identical_display, r->identical_cpu,
		       r->pipeline.is_there ? "in another process" : "as the CPU saw them");
	else
		printf("identical: %" PRIu64 " frames in, %" PRIu64 " frames out\n", r->frames_in,
		       r->frames_out);
}

static void print_devices(const struct run_options *options, const struct run_result *r)
{
	const struct berth_model_stats *s = &r->stats;

	print_iommu(r);
	print_cache(options, r);
	row_bytes("read by devices", s->dma_read);
	row_bytes("written by devices", s->dma_written);
	row("interrupts", "%" PRIu64, s->interrupts);
	row("virtual time", "%.3f ms", (double)s->now_ns / 1e6);
}

void table_print(const struct run_options *options, const struct run_result *r)
{
	if (!r->missing[0])
		print_frames(r);
	print_pipeline(r);
	print_allocation(r);
	print_tenants(options, r);
	print_network(r);
	if (!r->missing[0])
		print_devices(options, r);
	row_bytes("memory", r->during.total);
	if (r->is_limited)
		row_bytes("  of the board's", r->board_memory);
	row_bytes("  reserved", r->during.reserved);
	row_bytes("  used, before the run", r->before.used);
	row_bytes("  used, during the run", r->during.used);
	row_bytes("  of that by kmalloc()", r->during.slab);
	row_bytes("  CMA", r->during.cma_total);
	row_bytes("  used of CMA, during", r->during.cma_used);
	row_bytes("  used of CMA, after", r->after.cma_used);
	if (!r->missing[0])
		row("digest", "%016" PRIx64 " (seed %" PRIu64 ")", r->stats.digest,
		    options->model.seed);
	print_last_line(r);
}

static void json_string(const char *name, const char *text)
{
	printf("\"%s\": ", name);
	if (!text[0]) {
		fputs("null", stdout);
		return;
	}
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			printf("\\u%04x", (unsigned char)*text);
		else
			putchar(*text);
	}
	putchar('"');
}

static void json_u64(const char *name, uint64_t value, const char *end)
{
	printf("\"%s\": %" PRIu64 "%s", name, value, end);
}

static void json_memory(const char *name, const struct berth_memory_info *m, const char *end)
{
	printf("  \"%s\": {", name);
	json_u64("total", m->total, ", ");
	json_u64("reserved", m->reserved, ", ");
	json_u64("free", m->free, ", ");
	json_u64("free_cma", m->free_cma, ", ");
	json_u64("used", m->used, ", ");
	json_u64("slab", m->slab, ", ");
	json_u64("cma_total", m->cma_total, ", ");
	json_u64("cma_used", m->cma_used, "}");
	printf("%s\n", end);
}

static void json_tenants(const struct run_options *options, const struct run_result *r)
{
	const struct tenant_work *t = &r->tenants;

	fputs("  \"tenants\": ", stdout);
	if (!options->tenants) {
		fputs("null,\n", stdout);
		return;
	}
	putchar('{');
	json_u64("file_pages", t->pages[TENANT_FILE], ", ");
	json_u64("movable_pages", t->pages[TENANT_ANON], ", ");
	json_u64("moved", t->moved, ", ");
	json_u64("dropped", t->dropped, ", ");
	json_u64("hits", t->hits, ", ");
	json_u64("misses", t->misses, ", ");
	json_u64("written", t->written, ", ");
	json_u64("checks", t->checks, ", ");
	json_u64("wrong", t->wrong, ",\n    \"buffers\": [");
	for (unsigned int i = 0; i < r->buffers; i++) {
		const struct run_buffer *b = &r->buffer[i];

		putchar('{');
		json_u64("pages", b->pages, ", ");
		json_u64("held_by_file_cache", b->held[TENANT_FILE], ", ");
		json_u64("held_by_movable", b->held[TENANT_ANON], i + 1 < r->buffers ? "}, " : "}");
	}
	fputs("]},\n", stdout);
}

static void json_pipeline(const struct run_result *r)
{
	const struct run_pipeline *p = &r->pipeline;

	fputs("  \"pipeline\": ", stdout);
	if (!p->is_there) {
		fputs("null,\n", stdout);
		return;
	}
	putchar('{');
	json_u64("coded_bytes", p->coded_bytes, ", ");
	json_u64("damaged", p->damaged, ", ");
	json_u64("pictures", p->pictures, ", ");
	json_u64("pieces", p->pieces, ", ");
	json_u64("seen_by_another_process", p->seen, ", ");
	json_u64("fences", p->fences, ", ");
	json_u64("fences_failed", p->fences_failed, ", ");
	json_u64("cleans", p->cleans, ", ");
	json_u64("invalidates", p->invalidates, "},\n");
}

static void json_network(const struct run_result *r)
{
	const struct network_work *n = &r->network;

	fputs("  \"network\": ", stdout);
	if (!n->is_there) {
		fputs("null,\n", stdout);
		return;
	}
	putchar('{');
	json_u64("frames_out", n->frames_out, ", ");
	json_u64("frames_in", n->frames_in, ", ");
	json_u64("bytes_out", n->bytes_out, ", ");
	json_u64("bytes_in", n->bytes_in, ", ");
	json_u64("wrong", n->wrong, ", ");
	json_u64("bounced_mappings", n->bounced, ", ");
	json_u64("bounced_bytes", n->bounced_bytes, "},\n");
}

static void json_iommu(const struct run_result *r)
{
	const struct scatter_work *w = &r->display;

	fputs("  \"iommu\": ", stdout);
	if (!w->is_there) {
		fputs("null,\n", stdout);
		return;
	}
	printf("{\"protection\": \"%s\", ", w->protection);
	json_u64("requests", w->requests, ", ");
	json_u64("scattered_pages", w->pages, ", ");
	json_u64("moved_bytes", w->moved, ", ");
	json_u64("faults", w->faults, ", ");
	json_u64("invalidations", w->invalidations, ", \"walk_misses\": [");
	printf("%" PRIu64 ", %" PRIu64 ", %" PRIu64 "]},\n", w->misses[0], w->misses[1],
	       w->misses[2]);
}

static void json_bounce(const struct berth_swiotlb_info *b)
{
	fputs("  \"bounce\": {", stdout);
	json_u64("mappings", b->nr_maps, ", ");
	json_u64("bytes_to_devices", b->bytes_in, ", ");
	json_u64("bytes_from_devices", b->bytes_out, ", ");
	json_u64("full", b->nr_full, ", ");
	json_u64("pool_bytes", b->bytes, "},\n");
}

static void json_model(const struct run_options *options, const struct run_result *r)
{
	const struct berth_model_stats *s = &r->stats;

	fputs("  \"cache\": {", stdout);
	json_u64("operations", s->cache_ops, ", ");
	for (unsigned int i = 0; i < ARRAY_SIZE(op_names); i++)
		json_u64(op_names[i], r->cache_ops[i], ", ");
	json_u64("lines", s->cache_lines, ", ");
	json_u64("written_back", s->written_back, ", ");
	json_u64("evicted", s->evicted, ", ");
	json_u64("refilled", s->refilled, "},\n");
	fputs("  \"dropped\": ", stdout);
	if (r->dropped)
		printf("{\"number\": %" PRIu64 ", \"kind\": \"%s\", \"address\": \"0x%" PRIx64
		       "\", \"size\": %" PRIu64 "}",
		       options->model.drop_cache_op, op_names[r->dropped_op], r->dropped_phys,
		       r->dropped_size);
	else
		fputs("null", stdout);
	fputs(",\n  \"devices\": {", stdout);
	json_u64("read", s->dma_read, ", ");
	json_u64("written", s->dma_written, ", ");
	json_u64("bus_errors", s->bus_errors, ", ");
	json_u64("interrupts", s->interrupts, ", ");
	json_u64("register_accesses", s->register_accesses, ", ");
	json_u64("events", s->events, "},\n  ");
	json_u64("virtual_ns", s->now_ns, ",\n  ");
	json_u64("seed", options->model.seed, ",\n");
	printf("  \"digest\": \"%016" PRIx64 "\",\n", s->digest);
}

void table_print_json(const struct run_options *options, const struct run_result *r)
{
	const char *identical = r->differs || r->error[0] ? "false"
				: r->missing[0]		  ? "null"
							  : "true";

	printf("{\n  \"schema\": 1,\n  \"identical\": %s,\n  ", identical);
	json_string("error", r->error);
	fputs(",\n  ", stdout);
	json_string("missing", r->missing);
	fputs(",\n  ", stdout);
	json_string("first_difference", r->difference);
	fputs(",\n  \"frames\": {", stdout);
	json_u64("width", r->width, ", ");
	json_u64("height", r->height, ", ");
	json_u64("bytes", r->frame_bytes, ", ");
	json_u64("in", r->frames_in, ", ");
	json_u64("out", r->frames_out, ", ");
	json_u64("identical_display", r->identical_display, ", ");
	json_u64("identical_cpu", r->identical_cpu, "},\n  ");
	json_u64("copied_bytes", r->copied, ",\n  \"allocation\": {");
	json_u64("buffers", r->buffers, ", ");
	json_u64("samples", r->latency.samples, ", ");
	json_u64("median_ns", r->latency.median_ns, ", ");
	json_u64("p99_ns", r->latency.p99_ns, ", ");
	json_u64("max_ns", r->latency.max_ns, ", ");
	json_u64("tries", r->tries, ", ");
	json_u64("with_cma", r->with_cma, ", ");
	json_u64("without_cma", r->without_cma, "},\n");
	json_pipeline(r);
	json_tenants(options, r);
	json_network(r);
	json_iommu(r);
	json_bounce(&r->bounce);
	json_model(options, r);
	fputs("  ", stdout);
	json_u64("board_memory", r->board_memory, ",\n");
	json_memory("memory_before", &r->before, ",");
	json_memory("memory_during", &r->during, ",");
	json_memory("memory_after", &r->after, "");
	puts("}");
}
