// SPDX-License-Identifier: BSD-2-Clause
/* The explanation as text. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "explain.h"

#define MAX_COLUMN 48
#define MAX_NOTES 2 /* of one kind */

static const char *const kinds[] = {
	[EXPLAIN_STATIC] = "static",
	[EXPLAIN_CMA] = "cma",
	[EXPLAIN_COHERENT_POOL] = "coherent-pool",
	[EXPLAIN_RESTRICTED_POOL] = "restricted-pool",
	[EXPLAIN_CARVEOUT] = "carveout",
};

static const char *const backends[] = {
	[EXPLAIN_UNKNOWN] = NULL,
	[EXPLAIN_DIRECT] = "direct",
	[EXPLAIN_BOUNCE] = "bounce",
	[EXPLAIN_IOMMU] = "iommu",
};

static const char *const severities[] = {
	[EXPLAIN_NOTE] = "note",
	[EXPLAIN_WARNING] = "warning",
	[EXPLAIN_ERROR] = "error",
};

static const char *const colours[] = {
	[EXPLAIN_NOTE] = "36",
	[EXPLAIN_WARNING] = "33",
	[EXPLAIN_ERROR] = "31",
};

const char *explain_kind_name(enum explain_kind kind)
{
	return kinds[kind];
}

const char *explain_backend_name(enum explain_backend backend)
{
	return backends[backend];
}

const char *explain_severity_name(enum explain_severity severity)
{
	return severities[severity];
}

const char *explain_protection(const struct explain_device *device)
{
	return device->iommu_works ? berth_protection_name(device->protection) : NULL;
}

/* Names are bytes of the file: a terminal gets letters. */
static void print_name(const char *name)
{
	for (; *name; name++)
		putchar(*name >= ' ' && *name <= '~' ? *name : '?');
}

static size_t path_length(const struct device_node *node)
{
	return berth_of_node_path(node, (char[1]){ 0 }, 1);
}

static void print_path(const struct device_node *node)
{
	size_t length = path_length(node);
	char *path = malloc(length + 1);

	if (!path)
		return;
	berth_of_node_path(node, path, length + 1);
	print_name(path);
	free(path);
}

/* In the largest unit that says it exactly. */
static void print_size(uint64_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t unit = 0;

	while (size && !(size & 1023) && unit + 1 < ARRAY_SIZE(units)) {
		size >>= 10;
		unit++;
	}
	printf("%" PRIu64 " %s", size, units[unit]);
}

static void print_range(uint64_t base, uint64_t size)
{
	printf("0x%09" PRIx64 "..0x%09" PRIx64 "  ", base, base + size - (size > 0));
	print_size(size);
}

static void print_memory(const struct explanation *e)
{
	puts("\nmemory");
	if (!e->nr_memory)
		puts("  not known; the boot loader fills it in");
	for (unsigned int i = 0; i < e->nr_memory; i++) {
		fputs("  ", stdout);
		print_range(e->memory[i].base, e->memory[i].size);
		putchar('\n');
	}
}

static void print_reserved(const struct explanation *e)
{
	if (e->nr_reserved)
		puts("\nreserved");
	for (unsigned int i = 0; i < e->nr_reserved; i++) {
		const struct explain_reserved *res = &e->reserved[i];

		printf("  ");
		if (res->is_placed) {
			print_range(res->base, res->size);
		} else {
			printf("%-26s", res->is_bypassed ? "cma= instead"
					: e->nr_memory	 ? "no place"
							 : "place chosen at boot");
			print_size(res->size);
		}
		printf("  ");
		print_name(res->name);
		printf(", %s%s%s%s%s\n", kinds[res->kind], res->is_default ? ", default" : "",
		       res->is_dynamic && res->is_placed ? ", place chosen at boot" : "",
		       res->is_nomap ? ", no-map" : "",
		       res->is_reusable && res->kind != EXPLAIN_CMA ? ", reusable" : "");
	}
}

/* Windows that the drivers assumed here notice: bus addresses of their own, or less than 32 bits. */
static bool do_windows_matter(const struct berth_dma_window *windows, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (windows[i].cpu != windows[i].bus)
			return true;
	return count && explain_beyond(windows, count, UINT64_MAX, 0, 1ULL << EXPLAIN_MASK_BITS);
}

static void print_windows(const char *what, const struct berth_dma_window *windows,
			  unsigned int count)
{
	if (!do_windows_matter(windows, count))
		return;
	fputs(what, stdout);
	for (unsigned int i = 0; i < count; i++) {
		const struct berth_dma_window *w = &windows[i];

		printf("%s0x%" PRIx64 "..0x%" PRIx64, i ? ", " : "", w->cpu, w->cpu + w->size - 1);
		if (w->bus != w->cpu)
			printf(" at bus address 0x%" PRIx64, w->bus);
	}
}

static void print_iommu(const struct explain_device *device)
{
	printf(", %s ", device->iommu_works ? "IOMMU" : "disabled IOMMU");
	print_name(berth_of_node_name(device->iommu));
	if (device->nr_ids)
		fputs(" id", stdout);
	for (unsigned int i = 0; i < device->nr_ids; i++)
		printf(" %#" PRIx32, device->ids[i]);
	if (device->has_map)
		fputs(" by iommu-map", stdout);
}

static void print_pools(const struct explain_device *device)
{
	const char *separator = ", memory from ";
	struct explain_list list;

	explain_list_open(&list, device->node, "memory-region", NULL);
	while (explain_list_next(&list)) {
		if (!list.target)
			continue;
		fputs(separator, stdout);
		print_name(berth_of_node_name(list.target));
		separator = " and ";
	}
}

/* A line of each; paths in a column, unless one is very long. */
static void print_device(const struct explanation *e, const struct explain_device *device,
			 int width)
{
	const char *backend = explain_backend_name(device->backend);
	const char *protection = explain_protection(device);

	printf("  ");
	print_path(device->node);
	printf("%*s", width - (int)path_length(device->node), "");
	if (e->nr_memory)
		printf("  %-6s", backend);
	printf("  %s", device->is_coherent ? "coherent" : "not coherent");
	if (protection)
		printf(", %s", protection);
	if (device->iommu)
		print_iommu(device);
	print_windows(", reaches ", device->windows, device->nr_windows);
	print_windows(", devices behind it reach ", device->behind, device->nr_behind);
	print_pools(device);
	putchar('\n');
}

static void print_devices(const struct explanation *e)
{
	int width = 0;

	for (unsigned int i = 0; i < e->nr_devices; i++) {
		int length = (int)path_length(e->devices[i].node);

		if (length > width && length <= MAX_COLUMN)
			width = length;
	}
	printf("\ndevices, if their drivers ask for %d bits\n", EXPLAIN_MASK_BITS);
	for (unsigned int i = 0; i < e->nr_devices; i++) {
		int length = (int)path_length(e->devices[i].node);

		print_device(e, &e->devices[i], length > width ? length : width);
	}
	if (e->nr_more)
		printf("  and %u that have registers and do not say that they use DMA: --all\n",
		       e->nr_more);
}

static const char *plural(unsigned int count)
{
	return count == 1 ? "" : "s";
}

/* How many findings before @index have its code. */
static unsigned int count_before(const struct explanation *e, unsigned int index)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < index; i++)
		count += !strcmp(e->findings[i].code, e->findings[index].code);
	return count;
}

static void print_finding(const struct explain_finding *finding)
{
	bool has_colour = isatty(STDOUT_FILENO);

	printf("  %s%s%s%s%s %s ", has_colour ? "\033[" : "",
	       has_colour ? colours[finding->severity] : "", has_colour ? "m" : "",
	       severities[finding->severity], has_colour ? "\033[0m" : "", finding->code);
	if (finding->node)
		print_path(finding->node);
	else
		putchar('/');
	fputs("\n      ", stdout);
	print_name(finding->message);
	putchar('\n');
}

/* Notes of one kind are many on some boards: the first ones are enough. */
static void print_findings(const struct explanation *e)
{
	unsigned int counts[3] = { 0 }, left_out = 0;

	if (e->nr_findings)
		puts("\nfindings");
	for (int severity = EXPLAIN_ERROR; severity >= EXPLAIN_NOTE; severity--)
		for (unsigned int i = 0; i < e->nr_findings; i++) {
			if (e->findings[i].severity != (enum explain_severity)severity)
				continue;
			counts[severity]++;
			if (severity == EXPLAIN_NOTE && count_before(e, i) >= MAX_NOTES)
				left_out++;
			else
				print_finding(&e->findings[i]);
		}
	if (left_out)
		printf("  and %u note%s more of the same kinds: --json\n", left_out,
		       plural(left_out));
	printf("\n%u error%s, %u warning%s, %u note%s\n", counts[EXPLAIN_ERROR],
	       plural(counts[EXPLAIN_ERROR]), counts[EXPLAIN_WARNING],
	       plural(counts[EXPLAIN_WARNING]), counts[EXPLAIN_NOTE], plural(counts[EXPLAIN_NOTE]));
}

void explain_print(const struct explanation *e)
{
	print_name(e->model[0] ? e->model : "a board without a model");
	printf(", cache lines of %" PRIu32 " bytes\n", e->cacheline);
	print_memory(e);
	print_reserved(e);
	print_devices(e);
	print_findings(e);
}
