// SPDX-License-Identifier: BSD-2-Clause
/* The explanation as JSON. Bytes of the tree above 0x7f become the characters of that number. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "explain.h"

static void string(const char *text)
{
	putchar('"');
	for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
		if (*at == '"' || *at == '\\')
			printf("\\%c", *at);
		else if (*at < ' ' || *at > '~')
			printf("\\u%04x", *at);
		else
			putchar(*at);
	}
	putchar('"');
}

static void string_or_null(const char *text)
{
	if (text)
		string(text);
	else
		fputs("null", stdout);
}

static void path(const struct device_node *node)
{
	size_t length = node ? berth_of_node_path(node, (char[1]){ 0 }, 1) : 0;
	char *text = malloc(length + 1);

	if (text && node)
		berth_of_node_path(node, text, length + 1);
	string_or_null(text && node ? text : NULL);
	free(text);
}

static void number(const char *name, uint64_t value, const char *end)
{
	printf("\"%s\": \"0x%" PRIx64 "\"%s", name, value, end);
}

static const char *boolean(bool value)
{
	return value ? "true" : "false";
}

/* Before the i-th element of an array whose elements have a line each. */
static const char *next_line(unsigned int i)
{
	return i ? ",\n    " : "\n    ";
}

static const char *last_line(unsigned int count)
{
	return count ? "\n  ]" : "]";
}

static void print_memory(const struct explanation *e)
{
	fputs("  \"memory\": [", stdout);
	for (unsigned int i = 0; i < e->nr_memory; i++) {
		printf("%s{", next_line(i));
		number("base", e->memory[i].base, ", ");
		number("size", e->memory[i].size, "}");
	}
	printf("%s,\n", last_line(e->nr_memory));
}

static void print_reserved(const struct explanation *e)
{
	fputs("  \"reserved\": [", stdout);
	for (unsigned int i = 0; i < e->nr_reserved; i++) {
		const struct explain_reserved *res = &e->reserved[i];

		printf("%s{\"name\": ", next_line(i));
		string(res->name);
		fputs(", ", stdout);
		if (res->is_placed)
			number("base", res->base, ", ");
		else
			fputs("\"base\": null, ", stdout);
		number("size", res->size, ", ");
		printf("\"no_map\": %s, \"reusable\": %s, \"kind\": \"%s\", \"default\": %s}",
		       boolean(res->is_nomap), boolean(res->is_reusable),
		       explain_kind_name(res->kind), boolean(res->is_default));
	}
	printf("%s,\n", last_line(e->nr_reserved));
}

static void print_windows(const struct explain_device *device)
{
	fputs("\"windows\": [", stdout);
	for (unsigned int i = 0; i < device->nr_windows; i++) {
		const struct berth_dma_window *w = &device->windows[i];

		fputs(i ? ", {" : "{", stdout);
		number("cpu", w->cpu, ", ");
		number("bus", w->bus, ", ");
		number("size", w->size, "}");
	}
	fputs("],\n     ", stdout);
}

static void print_map(const struct device_node *node)
{
	int length = 0;
	const uint8_t *map = of_get_property(node, "iommu-map", &length);
	const char *separator = "";

	fputs(", \"map\": [", stdout);
	for (; map && length >= 16; length -= 16, map += 16) {
		printf("%s[%" PRIu64 ", ", separator, of_read_number(map, 1));
		path(of_find_node_by_phandle((uint32_t)of_read_number(map + 4, 1)));
		printf(", %" PRIu64 ", %" PRIu64 "]", of_read_number(map + 8, 1),
		       of_read_number(map + 12, 1));
		separator = ", ";
	}
	putchar(']');
}

static void print_iommu(const struct explain_device *device)
{
	fputs("\"iommu\": ", stdout);
	if (!device->iommu) {
		fputs("null, ", stdout);
		return;
	}
	fputs("{\"path\": ", stdout);
	path(device->iommu);
	if (device->has_iommus) {
		fputs(", \"ids\": [", stdout);
		for (unsigned int i = 0; i < device->nr_ids; i++)
			printf("%s%" PRIu32, i ? ", " : "", device->ids[i]);
		putchar(']');
	}
	if (device->has_map)
		print_map(device->node);
	fputs("}, ", stdout);
}

static void print_pools(const struct explain_device *device)
{
	const char *separator = "";
	struct explain_list list;

	fputs("\"pools\": [", stdout);
	explain_list_open(&list, device->node, "memory-region", NULL);
	while (explain_list_next(&list)) {
		if (!list.target)
			continue;
		fputs(separator, stdout);
		string(berth_of_node_name(list.target));
		separator = ", ";
	}
	fputs("],\n     ", stdout);
}

static void print_devices(const struct explanation *e)
{
	fputs("  \"devices\": [", stdout);
	for (unsigned int i = 0; i < e->nr_devices; i++) {
		const struct explain_device *device = &e->devices[i];
		const char *name;

		printf("%s{\"path\": ", next_line(i));
		path(device->node);
		fputs(", \"compatible\": [", stdout);
		for (int k = 0;
		     !of_property_read_string_index(device->node, "compatible", k, &name); k++) {
			fputs(k ? ", " : "", stdout);
			string(name);
		}
		printf("], \"coherent\": %s,\n     ", boolean(device->is_coherent));
		print_windows(device);
		print_iommu(device);
		print_pools(device);
		fputs("\"backend\": ", stdout);
		string_or_null(explain_backend_name(device->backend));
		printf(", \"assumed_mask_bits\": %d, \"protection\": ", EXPLAIN_MASK_BITS);
		string_or_null(explain_protection(device));
		putchar('}');
	}
	printf("%s,\n", last_line(e->nr_devices));
}

static void print_findings(const struct explanation *e)
{
	fputs("  \"findings\": [", stdout);
	for (unsigned int i = 0; i < e->nr_findings; i++) {
		const struct explain_finding *finding = &e->findings[i];

		printf("%s{\"severity\": \"%s\", \"code\": \"%s\", \"path\": ", next_line(i),
		       explain_severity_name(finding->severity), finding->code);
		if (finding->node)
			path(finding->node);
		else
			string("/");
		fputs(",\n     \"message\": ", stdout);
		string(finding->message);
		putchar('}');
	}
	printf("%s\n}\n", last_line(e->nr_findings));
}

void explain_print_json(const struct explanation *e)
{
	fputs("{\n  \"schema\": 1, \"model\": ", stdout);
	string(e->model);
	printf(", \"cacheline\": %" PRIu32 ",\n", e->cacheline);
	print_memory(e);
	print_reserved(e);
	print_devices(e);
	print_findings(e);
}
