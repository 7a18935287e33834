// SPDX-License-Identifier: BSD-2-Clause
/* The findings for people. */
#include <string.h>

#include "check.h"

static void print_line(const struct check_line *line, const char *before)
{
	const char *module = line->module ? strrchr(line->module, '/') : NULL;

	fputs(before, stdout);
	if (line->file)
		printf("%s:%u", check_relative(line->file), line->line);
	else if (line->module)
		printf("%s+%#llx", module ? module + 1 : line->module,
		       (unsigned long long)line->offset);
	else
		printf("%#llx", (unsigned long long)line->offset);
	if (line->function)
		printf(": %s()", line->function);
	putchar('\n');
}

static void print_lines(const char *title, const struct check_lines *lines)
{
	/* What is above the program's first line is how the checker was called. */
	const unsigned int first = lines->at < lines->nr ? lines->at : 0;

	if (!lines->nr)
		return;
	printf("  %s\n", title);
	for (unsigned int i = first; i < lines->nr; i++)
		print_line(&lines->line[i], i == first ? "    " : "      from ");
}

static void print_seeds(const struct check_finding *finding)
{
	for (unsigned int i = 0, end; i < finding->nr_seeds; i = end) {
		end = i + 1;
		while (end < finding->nr_seeds &&
		       finding->seeds[end] == finding->seeds[end - 1] + 1)
			end++;
		printf("%s%llu", i ? ", " : "", (unsigned long long)finding->seeds[i]);
		if (end - i > 1)
			printf("-%llu", (unsigned long long)finding->seeds[end - 1]);
	}
}

static void print_output(const char *output)
{
	if (!output)
		return;
	puts("  It had written:");
	while (*output) {
		const int length = (int)strcspn(output, "\n");

		printf("    | %.*s\n", length, output);
		output += length + (output[length] == '\n');
	}
}

static const char *title_of(const struct check_finding *finding)
{
	if (check_is_by_device(finding))
		return "while the program was here";
	return finding->mapped.nr && finding->touched.nr ? "here" : "where";
}

static void print_finding(const struct check_results *results, const struct check_finding *finding)
{
	const size_t length = strlen(finding->id);
	char again[1024];

	/* The checker's own text begins with the rule. */
	if (!strncmp(finding->what, finding->id, length) && finding->what[length] == ':')
		printf("%s\n", finding->what);
	else
		printf("%s: test %s: %s\n", finding->id, finding->test, finding->what);
	print_lines(title_of(finding), &finding->touched);
	print_lines("the other access", &finding->other);
	print_lines("mapped or allocated", &finding->mapped);
	print_output(finding->output);
	if (finding->hint[0])
		printf("  %s\n", finding->hint);
	printf("  %s\n", finding->advice);
	if (finding->breaks_on[0])
		printf("  It breaks on %s.\n", finding->breaks_on);
	printf("  Seen %llu time%s, with seed%s ", (unsigned long long)finding->count,
	       finding->count == 1 ? "" : "s", finding->nr_seeds == 1 ? "" : "s");
	print_seeds(finding);
	printf("; the first: %s.\n", finding->machine[0] ? finding->machine : "none");
	check_again(results, finding, again, sizeof(again));
	printf("  Again: %s\n\n", again);
}

void check_print_text(const struct check_results *results)
{
	for (unsigned int i = 0; i < results->nr_findings; i++)
		print_finding(results, &results->findings[i]);
	if (results->nr_findings)
		printf("%u finding%s in %u runs", results->nr_findings,
		       results->nr_findings == 1 ? "" : "s", results->runs);
	else
		printf("nothing was found in %u run%s", results->runs,
		       results->runs == 1 ? "" : "s");
	if (results->nr_suppressed)
		printf("; %u were suppressed", results->nr_suppressed);
	putchar('\n');
}
