// SPDX-License-Identifier: BSD-2-Clause
/* `berth check`: the command line. */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "command.h"
#include "run.h"

/* Of one test: each takes as long as the limit. */
#define MOST_HANGS 3u
#define MOST_FAULTS 1000u

static const char usage[] =
	"Usage: berth check PROGRAM.so [OPTION]...\n"
	"Run a driver and its tests under the checker, each test on the machine of each seed, in a\n"
	"process of its own. docs/check-guide.md says how a PROGRAM.so is made.\n"
	"\n"
	"  --seeds N             seeds 1 to N; 20\n"
	"  --seed N              this one alone: what it found it finds again\n"
	"  --test NAME           this test alone\n"
	"  --timeout SECONDS     a run that has not ended by then hangs; 60\n"
	"  --suppress FILE       what is not to be told: RULE and FUNCTION-OR-FILE, a line each\n"
	"  --json                the findings as JSON\n"
	"  --sarif FILE          the findings as SARIF 2.1.0, for code review systems\n"
	"  --faults              then the first seed again and again, each time with the next\n"
	"                        mapping or allocation of DMA memory failing\n"
	"  --fail N              the N-th of them fails\n"
	"  --notes               what is right and not needed, too\n"
	"  --hostile             devices that are not trusted: they write what they please into coherent\n"
	"                        memory, and what a driver believes of it is told\n"
	"  --verbose             what the program writes\n"
	"  --help                this text\n"
	"\n"
	"Exit status: 0 nothing was found; 1 something was; 2 the program or the arguments cannot\n"
	"be used.\n";

enum {
	OPT_SEEDS = COMMAND_FIRST_OPTION,
	OPT_SEED,
	OPT_TEST,
	OPT_TIMEOUT,
	OPT_SUPPRESS,
	OPT_JSON,
	OPT_SARIF,
	OPT_FAULTS,
	OPT_FAIL,
	OPT_NOTES,
	OPT_HOSTILE,
	OPT_VERBOSE,
	OPT_HELP,
};

static const struct option long_options[] = {
	{ "seeds", required_argument, NULL, OPT_SEEDS },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "test", required_argument, NULL, OPT_TEST },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "suppress", required_argument, NULL, OPT_SUPPRESS },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "sarif", required_argument, NULL, OPT_SARIF },
	{ "faults", no_argument, NULL, OPT_FAULTS },
	{ "fail", required_argument, NULL, OPT_FAIL },
	{ "notes", no_argument, NULL, OPT_NOTES },
	{ "hostile", no_argument, NULL, OPT_HOSTILE },
	{ "verbose", no_argument, NULL, OPT_VERBOSE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

/* -1 if it is no number up to @most. */
static int parse_number(const char *arg, uint64_t least, uint64_t most, uint64_t *value)
{
	char *end;

	if (*arg < '0' || *arg > '9')
		return -1;
	errno = 0;
	*value = strtoull(arg, &end, 10);
	return errno || *end || *value < least || *value > most ? -1 : 0;
}

static int parse_option(void *line, int option, const char *arg)
{
	struct check_options *options = line;
	uint64_t number = 0;
	int ret = 0;

	switch (option) {
	case OPT_SEEDS:
		ret = parse_number(arg, 1, 1000000, &number);
		options->first_seed = 1;
		options->nr_seeds = (unsigned int)number;
		return ret;
	case OPT_SEED:
		options->nr_seeds = 1;
		return parse_number(arg, 0, UINT64_MAX, &options->first_seed);
	case OPT_TIMEOUT:
		ret = parse_number(arg, 1, 100000, &number);
		options->timeout_s = (unsigned int)number;
		return ret;
	case OPT_TEST:
		options->test = arg;
		return 0;
	case OPT_SUPPRESS:
		options->suppress = arg;
		return 0;
	case OPT_SARIF:
		options->sarif = arg;
		return 0;
	case OPT_JSON:
		options->json = true;
		return 0;
	case OPT_FAULTS:
		options->faults = true;
		return 0;
	case OPT_FAIL:
		return parse_number(arg, 1, UINT32_MAX, &options->fail);
	case OPT_NOTES:
		options->notes = true;
		return 0;
	case OPT_HOSTILE:
		options->hostile = true;
		return 0;
	case OPT_VERBOSE:
		options->verbose = true;
		return 0;
	default:
		options->help = true;
		return 0;
	}
}

static const struct command command = {
	.name = "check",
	.options = long_options,
	.parse = parse_option,
	.only_one = "only one program can be checked",
};

static int unusable(const char *what, const char *why)
{
	char text[4096];

	snprintf(text, sizeof(text), "%s%s%s", what ? what : "", what ? ": " : "", why);
	return command_unusable(&command, "%s", text);
}

static bool has_test(const struct check_results *results)
{
	for (unsigned int i = 0; i < results->nr_tests; i++)
		if (!strcmp(results->tests[i], results->options->test))
			return true;
	return false;
}

/* 0; or the exit status, and why was told. */
static int prepare(struct check_results *results)
{
	const struct check_options *options = results->options;
	static char own[PATH_MAX];
	char error[1024];

	if (!realpath(options->program, results->path))
		return unusable(options->program, strerror(errno));
	if (readlink("/proc/self/exe", own, sizeof(own) - 1) > 0)
		results->command = own;
	if (check_look_at_file(results->path, error, sizeof(error), results->warning,
			       sizeof(results->warning)))
		return unusable(options->program, error);
	if (options->suppress && check_read_suppressions(results, error, sizeof(error)))
		return unusable(NULL, error);
	if (check_list(results, error, sizeof(error)))
		return unusable(options->program, error);
	if (check_judge_suppressions(results, error, sizeof(error)))
		return unusable(NULL, error);
	if (options->test && !has_test(results))
		return unusable(options->program, "has no such test");
	/* Then they are the sanitizer's. */
	if (!results->warning[0] && dlsym(RTLD_DEFAULT, "__asan_load8_noabort"))
		snprintf(
			results->warning, sizeof(results->warning),
			"its loads and stores are not seen: this command is built with the address "
			"sanitizer");
	if (results->warning[0])
		fprintf(stderr, "berth check: warning: %s: %s\n", options->program,
			results->warning);
	return 0;
}

/* On the machines of all seeds; then on the first, with one mapping after the other that fails. */
static int run_test(struct check_results *results, unsigned int test)
{
	const struct check_options *options = results->options;
	int ret = 1;

	results->hangs = 0;
	for (unsigned int i = 0; i < options->nr_seeds && results->hangs < MOST_HANGS; i++)
		if (check_run(results, test, options->first_seed + i, options->fail) < 0)
			return -1;
	for (uint64_t fail = 1; options->faults && ret > 0 && fail <= MOST_FAULTS; fail++)
		ret = results->hangs < MOST_HANGS
			      ? check_run(results, test, options->first_seed, fail)
			      : 0;
	if (results->hangs == MOST_HANGS && (options->nr_seeds > MOST_HANGS || options->faults))
		fprintf(stderr,
			"berth check: %s hangs again and again: the rest of it is left out\n",
			results->tests[test]);
	return ret < 0 ? -1 : 0;
}

static int run_all(struct check_results *results)
{
	const struct check_options *options = results->options;

	for (unsigned int test = 0; test < results->nr_tests; test++)
		if (!options->test || !strcmp(options->test, results->tests[test]))
			if (run_test(results, test))
				return RUN_UNUSABLE;
	return RUN_DONE;
}

/* The exit status. */
static int tell(const struct check_results *results)
{
	const struct check_options *options = results->options;
	int status = RUN_DONE, error;

	for (unsigned int i = 0; i < results->nr_suppressions; i++)
		if (!results->suppressions[i].used)
			fprintf(stderr, "berth check: %s:%u: suppresses nothing\n",
				options->suppress, results->suppressions[i].line);
	for (unsigned int i = 0; i < results->nr_findings; i++)
		if (strcmp(results->findings[i].level, "note") != 0)
			status = RUN_FOUND;
	if (options->json)
		check_print_json(results);
	else
		check_print_text(results);
	if (fflush(stdout))
		return unusable("standard output", strerror(errno));
	error = options->sarif ? check_write_sarif(results) : 0;
	return error ? unusable(options->sarif, strerror(error)) : status;
}

int check_command(int argc, char **argv)
{
	struct check_options options = { .first_seed = 1, .nr_seeds = 20, .timeout_s = 60 };
	struct check_results results = { .options = &options };
	int status = command_parse(&command, &options, &options.program, argc, argv);

	if (status)
		return status;
	if (options.help) {
		fputs(usage, stdout);
		return RUN_DONE;
	}
	if (!options.program)
		return unusable(NULL, "a PROGRAM.so is missing; see berth check --help");
	status = prepare(&results);
	if (!status)
		status = run_all(&results);
	if (!status)
		status = tell(&results);
	check_free(&results);
	return status;
}
