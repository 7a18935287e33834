// SPDX-License-Identifier: BSD-2-Clause
/* What was found, each thing once, whatever the number of runs. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

/* What is no report of the checker's. */
static const struct check_rule own_rules[] = {
	{ "crash", "crashes", "Run this seed alone in a debugger, or look at the stack." },
	{ "hang", "does not end",
	  "A loop waits for what does not come, or a lock is taken twice: look where it is." },
	{ "deadlock", "waits for what nothing can wake any more",
	  "Look for the interrupt or the completion that does not come on this machine." },
	{ "exit", "ends the process", "A test returns; exit() is for programs." },
	{ "no-start", "berth cannot start", "Look at the board and the drivers." },
	{ "test-failed", "the test fails",
	  "The driver does not do on this machine what the test expects: look at the lines above." },
	{ "memory-left", "memory is still in use when the drivers are gone",
	  "Free it in remove(), or at the end of the test." },
};

int check_add_rule(struct check_results *results, const struct check_rule *rule)
{
	struct check_rule *grown;

	for (unsigned int i = 0; i < results->nr_rules; i++)
		if (!strcmp(results->rules[i].id, rule->id))
			return 0;
	grown = realloc(results->rules, (results->nr_rules + 1) * sizeof(*grown));
	if (!grown)
		return -1;
	results->rules = grown;
	grown[results->nr_rules++] = *rule;
	return 0;
}

void check_add_own_rules(struct check_results *results)
{
	for (size_t i = 0; i < sizeof(own_rules) / sizeof(own_rules[0]); i++)
		check_add_rule(results, &own_rules[i]);
}

static const struct check_rule *find_rule(struct check_results *results, const char *id)
{
	for (unsigned int i = 0; i < results->nr_rules; i++)
		if (!strcmp(results->rules[i].id, id))
			return &results->rules[i];
	return NULL;
}

static bool is_same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool is_same_line(const struct check_line *a, const struct check_line *b)
{
	return a->line == b->line && is_same_text(a->file, b->file) &&
	       is_same_text(a->function, b->function) && (a->line || a->offset == b->offset);
}

/* The program's own part of two stacks, as far as it is in one piece: what is below an interrupt is chance. */
static bool is_same_place(const struct check_lines *a, const struct check_lines *b)
{
	unsigned int i = a->at, j = b->at;

	for (;; i++, j++) {
		const bool is_end = i >= a->nr || !a->line[i].is_program;

		if (is_end || j >= b->nr || !b->line[j].is_program)
			return is_end == (j >= b->nr || !b->line[j].is_program);
		if (!is_same_line(&a->line[i], &b->line[j]))
			return false;
	}
}

/* What a device does is done while the program is anywhere. */
bool check_is_by_device(const struct check_finding *finding)
{
	return !strncmp(finding->id, "device-", 7) && strcmp(finding->id, "device-pointer") != 0;
}

static bool is_report(const struct check_finding *finding)
{
	for (size_t i = 0; i < sizeof(own_rules) / sizeof(own_rules[0]); i++)
		if (!strcmp(finding->id, own_rules[i].id))
			return false;
	return true;
}

static bool is_same(const struct check_finding *a, const struct check_finding *b)
{
	if (strcmp(a->id, b->id) != 0 || strcmp(a->device, b->device) != 0)
		return false;
	if (!is_report(a) &&
	    (strcmp(a->test, b->test) != 0 || (!a->touched.nr && strcmp(a->what, b->what) != 0)))
		return false;
	return (check_is_by_device(a) || is_same_place(&a->touched, &b->touched)) &&
	       is_same_place(&a->mapped, &b->mapped);
}

static void free_finding(struct check_finding *finding)
{
	check_free_lines(&finding->touched);
	check_free_lines(&finding->mapped);
	check_free_lines(&finding->other);
	free(finding->output);
	free(finding->seeds);
}

/* In order. */
static void add_seed(struct check_finding *finding, uint64_t seed)
{
	unsigned int at = 0;
	uint64_t *grown;

	while (at < finding->nr_seeds && finding->seeds[at] < seed)
		at++;
	if (at < finding->nr_seeds && finding->seeds[at] == seed)
		return;
	grown = realloc(finding->seeds, (finding->nr_seeds + 1) * sizeof(*grown));
	if (!grown)
		return;
	finding->seeds = grown;
	memmove(grown + at + 1, grown + at, (finding->nr_seeds++ - at) * sizeof(*grown));
	grown[at] = seed;
}

int check_add_finding(struct check_results *results, struct check_finding *finding)
{
	const struct check_rule *rule = find_rule(results, finding->id);
	struct check_finding *grown;

	if (!finding->level)
		finding->level = !strcmp(finding->id, "memory-left") ? "note" : "error";
	snprintf(finding->text, sizeof(finding->text), "%s", rule ? rule->text : "");
	snprintf(finding->advice, sizeof(finding->advice), "%s", rule ? rule->advice : "");
	if (check_is_suppressed(results, finding)) {
		results->nr_suppressed++;
		free_finding(finding);
		return 0;
	}
	for (unsigned int i = 0; i < results->nr_findings; i++) {
		struct check_finding *other = &results->findings[i];

		if (!is_same(other, finding))
			continue;
		other->count += finding->count;
		for (unsigned int n = 0; n < finding->nr_seeds; n++)
			add_seed(other, finding->seeds[n]);
		free_finding(finding);
		return 0;
	}
	grown = realloc(results->findings, (results->nr_findings + 1) * sizeof(*grown));
	if (!grown) {
		free_finding(finding);
		return -1;
	}
	results->findings = grown;
	grown[results->nr_findings++] = *finding;
	return 0;
}

void check_free(struct check_results *results)
{
	for (unsigned int i = 0; i < results->nr_findings; i++)
		free_finding(&results->findings[i]);
	for (unsigned int i = 0; i < results->nr_suppressions; i++) {
		free(results->suppressions[i].rule);
		free(results->suppressions[i].where);
	}
	free(results->suppressions);
	free(results->findings);
	free(results->rules);
	free(results->tests);
	check_symbols_end();
}

const struct check_line *check_main_line(const struct check_finding *finding)
{
	const struct check_lines *first = &finding->touched, *second = &finding->mapped;

	if (check_is_by_device(finding) || !strcmp(finding->id, "leak")) {
		first = &finding->mapped;
		second = &finding->touched;
	}
	if (first->at < first->nr)
		return &first->line[first->at];
	return second->at < second->nr ? &second->line[second->at] : NULL;
}

void check_again(const struct check_results *results, const struct check_finding *finding,
		 char *text, size_t size)
{
	char fail[32] = "";

	if (finding->fail)
		snprintf(fail, sizeof(fail), " --fail %llu", (unsigned long long)finding->fail);
	snprintf(text, size, "berth check %s --test %s --seed %llu%s%s%s",
		 results->options->program, finding->test,
		 (unsigned long long)(finding->nr_seeds ? finding->seeds[0] : 0), fail,
		 results->options->hostile ? " --hostile" : "",
		 results->options->notes ? " --notes" : "");
}

const char *check_relative(const char *file)
{
	static char here[4096];
	size_t length;

	if (!here[0] && !getcwd(here, sizeof(here)))
		here[0] = '\0';
	length = strlen(here);
	return length > 1 && !strncmp(file, here, length) && file[length] == '/' ? file + length + 1
										 : file;
}
