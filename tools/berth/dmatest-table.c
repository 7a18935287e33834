// SPDX-License-Identifier: BSD-2-Clause
/* What `berth dmatest` prints. */
#include <inttypes.h>
#include <stdio.h>

#include "dmatest.h"

static double per_second(uint64_t what, uint64_t ns)
{
	return ns ? (double)what * 1e9 / (double)ns : 0;
}

static void print_list(const struct dmatest_result *r)
{
	for (unsigned int i = 0; i < r->nr_channels; i++)
		printf("%-12s %-24s %s\n", r->channels[i].name, r->channels[i].device,
		       r->channels[i].kinds);
}

static void print_kinds(const struct dmatest_result *r)
{
	for (unsigned int i = 0; i < BERTH_DMATEST_KINDS; i++)
		if (r->sum.kinds[i])
			printf("%-12s %" PRIu64 " tests\n", berth_dmatest_kind_name(i),
			       r->sum.kinds[i]);
}

static void print_faults(const struct dmatest_result *r)
{
	for (unsigned int i = 0; i < r->nr_told; i++)
		printf("%s\n", r->told[i]);
	if (r->sum.failed > r->nr_told)
		printf("and %" PRIu64 " more\n", r->sum.failed - r->nr_told);
	for (unsigned int i = 0; i < BERTH_DMATEST_FAULTS; i++)
		if (r->sum.faults[i])
			printf("%-12s %" PRIu64 " failures\n", berth_dmatest_fault_name(i),
			       r->sum.faults[i]);
}

void dmatest_print(const struct dmatest_options *options, const struct dmatest_result *r)
{
	if (options->list) {
		print_list(r);
		return;
	}
	for (unsigned int i = 0; i < r->nr_channels; i++) {
		const struct dmatest_channel *c = &r->channels[i];

		printf("%-12s %-24s %" PRIu64 " tests, %" PRIu64 " failed, %.0f iops, %.1f MB/s\n",
		       c->name, c->device, c->stats.tests, c->stats.failed,
		       per_second(c->stats.tests - c->stats.failed, c->stats.ns),
		       per_second(c->stats.bytes, c->stats.ns) / 1e6);
	}
	print_kinds(r);
	print_faults(r);
	printf("%s: %" PRIu64 " tests on %u channels, %" PRIu64 " bytes, %.2f s\n",
	       r->sum.failed ? "FAILED" : "passed", r->sum.tests, r->nr_channels, r->sum.bytes,
	       (double)r->ns / 1e9);
	if (*r->error)
		printf("FAILED: %s\n", r->error);
}

static void json_stats(const struct berth_dmatest_stats *s)
{
	const char *comma = "";

	printf("\"tests\": %" PRIu64 ", \"failed\": %" PRIu64 ", \"bytes\": %" PRIu64
	       ", \"ns\": %" PRIu64 ", \"kinds\": {",
	       s->tests, s->failed, s->bytes, s->ns);
	for (unsigned int i = 0; i < BERTH_DMATEST_KINDS; i++) {
		if (!s->kinds[i])
			continue;
		printf("%s\"%s\": %" PRIu64, comma, berth_dmatest_kind_name(i), s->kinds[i]);
		comma = ", ";
	}
	printf("}, \"faults\": {");
	comma = "";
	for (unsigned int i = 0; i < BERTH_DMATEST_FAULTS; i++) {
		if (!s->faults[i])
			continue;
		printf("%s\"%s\": %" PRIu64, comma, berth_dmatest_fault_name(i), s->faults[i]);
		comma = ", ";
	}
	printf("}");
}

void dmatest_print_json(const struct dmatest_options *options, const struct dmatest_result *r)
{
	printf("{\"schema\": 1, \"channels\": [");
	for (unsigned int i = 0; i < r->nr_channels; i++) {
		const struct dmatest_channel *c = &r->channels[i];

		printf("%s\n  {\"name\": \"%s\", \"device\": \"%s\", \"capabilities\": \"%s\"",
		       i ? "," : "", c->name, c->device, c->kinds);
		if (!options->list) {
			printf(", ");
			json_stats(&c->stats);
		}
		printf("}");
	}
	printf("]");
	if (!options->list) {
		printf(",\n \"sum\": {");
		json_stats(&r->sum);
		printf("},\n \"failures\": [");
		for (unsigned int i = 0; i < r->nr_told; i++)
			printf("%s\n  \"%s\"", i ? "," : "", r->told[i]);
		printf("],\n \"host_ns\": %" PRIu64 ", \"digest\": \"0x%016" PRIx64 "\"", r->ns,
		       r->model.digest);
	}
	printf("}\n");
}
