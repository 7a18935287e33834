// SPDX-License-Identifier: BSD-2-Clause
/* The findings as JSON. */
#include "check.h"

static void put_lines(struct check_json *json, const char *name, const struct check_lines *lines)
{
	json_open(json, name, '[');
	for (unsigned int i = lines->at < lines->nr ? lines->at : 0; i < lines->nr; i++) {
		const struct check_line *line = &lines->line[i];

		json_open(json, NULL, '{');
		json_text(json, "function", line->function);
		json_text(json, "file", line->file ? check_relative(line->file) : NULL);
		if (line->file)
			json_number(json, "line", line->line);
		json_text(json, "module", line->module);
		json_hex(json, "offset", line->offset);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_bytes(struct check_json *json, const struct check_finding *finding)
{
	json_text(json, "device", finding->device[0] ? finding->device : NULL);
	if (!finding->buffer_length)
		return;
	json_open(json, "buffer", '{');
	json_number(json, "length", (int64_t)finding->buffer_length);
	json_hex(json, "bus", finding->bus);
	json_text(json, "direction", finding->direction[0] ? finding->direction : NULL);
	json_close(json, '}');
	if (!finding->has_bytes)
		return;
	json_open(json, "bytes", '{');
	json_number(json, "offset", finding->offset);
	json_number(json, "length", (int64_t)finding->length);
	json_bool(json, "store", finding->is_store);
	json_close(json, '}');
}

static void put_finding(struct check_json *json, const struct check_results *results,
			const struct check_finding *finding)
{
	char again[1024];

	json_open(json, NULL, '{');
	json_text(json, "rule", finding->id);
	json_text(json, "level", finding->level);
	json_text(json, "message", finding->what);
	json_text(json, "advice", finding->advice);
	json_text(json, "hint", finding->hint[0] ? finding->hint : NULL);
	json_text(json, "breaks_on", finding->breaks_on[0] ? finding->breaks_on : NULL);
	put_bytes(json, finding);
	put_lines(json, "touched", &finding->touched);
	put_lines(json, "mapped", &finding->mapped);
	put_lines(json, "other", &finding->other);
	json_text(json, "output", finding->output);
	json_text(json, "test", finding->test);
	json_number(json, "count", (int64_t)finding->count);
	json_open(json, "seeds", '[');
	for (unsigned int i = 0; i < finding->nr_seeds; i++)
		json_number(json, NULL, (int64_t)finding->seeds[i]);
	json_close(json, ']');
	json_text(json, "machine", finding->machine);
	check_again(results, finding, again, sizeof(again));
	json_text(json, "again", again);
	json_close(json, '}');
}

void check_print_json(const struct check_results *results)
{
	struct check_json json = { .file = stdout };

	json_open(&json, NULL, '{');
	json_number(&json, "schema", 1);
	json_text(&json, "program", results->options->program);
	json_number(&json, "runs", results->runs);
	json_number(&json, "suppressed", results->nr_suppressed);
	json_text(&json, "warning", results->warning[0] ? results->warning : NULL);
	json_open(&json, "tests", '[');
	for (unsigned int i = 0; i < results->nr_tests; i++)
		json_text(&json, NULL, results->tests[i]);
	json_close(&json, ']');
	json_open(&json, "findings", '[');
	for (unsigned int i = 0; i < results->nr_findings; i++)
		put_finding(&json, results, &results->findings[i]);
	json_close(&json, ']');
	json_close(&json, '}');
}
