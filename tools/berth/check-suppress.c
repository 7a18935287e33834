// SPDX-License-Identifier: BSD-2-Clause
/* What is not to be told: a rule, and a function or a file, a line each. */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* 0; 1: the line is empty; -1: it is no good. @text is taken. */
static int parse(char *text, struct check_suppression *suppression)
{
	char *save, *more;

	text[strcspn(text, "#\n")] = '\0';
	suppression->rule = strtok_r(text, " \t\r", &save);
	if (!suppression->rule)
		return 1;
	suppression->where = strtok_r(NULL, " \t\r", &save);
	more = suppression->where ? strtok_r(NULL, " \t\r", &save) : NULL;
	return suppression->where && !more ? 0 : -1;
}

static int add(struct check_results *results, char *text, unsigned int line)
{
	struct check_suppression suppression = { .line = line }, *grown;
	const int ret = parse(text, &suppression);

	if (ret)
		return ret;
	suppression.rule = strdup(suppression.rule);
	suppression.where = strdup(suppression.where);
	if (!suppression.rule || !suppression.where)
		return -1;
	grown = realloc(results->suppressions, (results->nr_suppressions + 1) * sizeof(*grown));
	if (!grown)
		return -1;
	results->suppressions = grown;
	grown[results->nr_suppressions++] = suppression;
	return 0;
}

int check_read_suppressions(struct check_results *results, char *error, size_t size)
{
	const char *name = results->options->suppress;
	FILE *file = fopen(name, "re");
	unsigned int line = 0;
	char *text = NULL;
	size_t room = 0;
	int ret = 0;

	if (!file) {
		snprintf(error, size, "%s: %s", name, strerror(errno));
		return -1;
	}
	while (ret >= 0 && getline(&text, &room, file) >= 0) {
		line++;
		ret = add(results, text, line);
	}
	if (ret < 0)
		snprintf(error, size, "%s:%u: a rule, and a function or a file, are wanted", name,
			 line);
	else if (ferror(file))
		snprintf(error, size, "%s: %s", name, strerror(EISDIR));
	ret = ret < 0 || ferror(file) ? -1 : 0;
	free(text);
	fclose(file);
	return ret;
}

int check_judge_suppressions(const struct check_results *results, char *error, size_t size)
{
	for (unsigned int i = 0; i < results->nr_suppressions; i++) {
		const struct check_suppression *suppression = &results->suppressions[i];
		bool is_known = false;

		for (unsigned int n = 0; n < results->nr_rules; n++)
			is_known |= !fnmatch(suppression->rule, results->rules[n].id, 0);
		if (!is_known) {
			snprintf(error, size, "%s:%u: '%.60s' is no rule",
				 results->options->suppress, suppression->line, suppression->rule);
			return -1;
		}
	}
	return 0;
}

static bool is_there(const char *where, const struct check_lines *lines)
{
	for (unsigned int i = 0; i < lines->nr; i++) {
		const struct check_line *line = &lines->line[i];
		const char *name = line->file ? strrchr(line->file, '/') : NULL;

		if ((line->function && !fnmatch(where, line->function, 0)) ||
		    (line->file && !fnmatch(where, check_relative(line->file), 0)) ||
		    (name && !fnmatch(where, name + 1, 0)))
			return true;
	}
	return false;
}

bool check_is_suppressed(struct check_results *results, const struct check_finding *finding)
{
	for (unsigned int i = 0; i < results->nr_suppressions; i++) {
		struct check_suppression *suppression = &results->suppressions[i];

		if (!fnmatch(suppression->rule, finding->id, 0) &&
		    (is_there(suppression->where, &finding->touched) ||
		     is_there(suppression->where, &finding->mapped) ||
		     !fnmatch(suppression->where, finding->test, 0))) {
			suppression->used++;
			return true;
		}
	}
	return false;
}
