// SPDX-License-Identifier: BSD-2-Clause
/* `berth run`: options, live output, and the reports at the end. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boards.h"
#include "command.h"
#include "run.h"

static const char usage[] =
	"Usage: berth run [BOARD] [OPTION]...\n"
	"Send frames from the camera through memory to the display, and through the network card if\n"
	"there is one, and compare what comes out.\n"
	"BOARD is a .dtb, or a .dts compiled through dtc; without it, a multimedia SoC that comes\n"
	"with berth.\n"
	"\n"
	"  --video IN.y4m        frames for the camera (YUV4MPEG2), - for standard input; without\n"
	"                        it the camera's test pattern\n"
	"  --out OUT.y4m         write what the display showed\n"
	"  --svg FILE            draw memory over time\n"
	"  --trace FILE          write what happened when, for https://ui.perfetto.dev\n"
	"  --frames N            so many frames at most; of the test pattern: 60\n"
	"  --seed N              of everything that happens by chance; 0\n"
	"  --cache WHEN          write-backs and refills: random, adversarial or quiet; random\n"
	"  --drop-sync N         leave out the N-th cache operation of the run\n"
	"  --protection HOW      of the display behind an IOMMU: passthrough, lazy, strict or\n"
	"                        shadow; as the board says, or strict\n"
	"  --no-tenants          leave the memory that the devices do not use idle\n"
	"  --mem BASE:SIZE       RAM that the board does not mention; may be repeated\n"
	"  --json                the figures as JSON\n"
	"  --verbose             what the drivers say\n"
	"  --help                this text\n"
	"\n"
	"Exit status: 0 the frames are identical; 1 they differ, or the run failed; 2 input or\n"
	"arguments cannot be used.\n";

enum {
	OPT_VIDEO = COMMAND_FIRST_OPTION,
	OPT_OUT,
	OPT_SVG,
	OPT_TRACE,
	OPT_FRAMES,
	OPT_SEED,
	OPT_CACHE,
	OPT_DROP_SYNC,
	OPT_PROTECTION,
	OPT_NO_TENANTS,
	OPT_MEM,
	OPT_JSON,
	OPT_VERBOSE,
	OPT_HELP,
};

static const struct option long_options[] = {
	{ "video", required_argument, NULL, OPT_VIDEO },
	{ "out", required_argument, NULL, OPT_OUT },
	{ "svg", required_argument, NULL, OPT_SVG },
	{ "trace", required_argument, NULL, OPT_TRACE },
	{ "frames", required_argument, NULL, OPT_FRAMES },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "cache", required_argument, NULL, OPT_CACHE },
	{ "drop-sync", required_argument, NULL, OPT_DROP_SYNC },
	{ "protection", required_argument, NULL, OPT_PROTECTION },
	{ "no-tenants", no_argument, NULL, OPT_NO_TENANTS },
	{ "mem", required_argument, NULL, OPT_MEM },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "verbose", no_argument, NULL, OPT_VERBOSE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

struct command_line {
	struct run_options run;
	const char *board, *svg, *trace;
	bool json, help;
};

/* A number, decimal or 0x..., that ends at @end_char. Returns where, or NULL. */
static const char *parse_number(const char *text, char end_char, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return NULL;
	errno = 0;
	*value = strtoull(text, &end, 0);
	if (errno)
		return NULL;
	for (const char *unit = "KMG"; *unit && end_char != ':'; unit++) {
		unsigned int shift = 10 * (unsigned int)(unit - "KMG" + 1);

		if (*end != *unit)
			continue;
		if (*value > UINT64_MAX >> shift)
			return NULL;
		*value <<= shift;
		end++;
		break;
	}
	return *end == end_char ? end : NULL;
}

static bool parse_count(const char *text, uint64_t *value, uint64_t least, uint64_t most)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 0);
	return !errno && !*end && *value >= least && *value <= most;
}

bool parse_range(const char *text, struct berth_range *range)
{
	const char *colon = parse_number(text, ':', &range->base);

	return colon && parse_number(colon + 1, '\0', &range->size) && range->size;
}

static bool parse_mem(struct run_options *run, const char *text)
{
	if (run->nr_mem == RUN_MAX_MEM || !parse_range(text, &run->mem[run->nr_mem]))
		return false;
	run->nr_mem++;
	return true;
}

static bool parse_cache(struct run_options *run, const char *text)
{
	static const char *const names[] = {
		[BERTH_MODEL_CACHE_RANDOM] = "random",
		[BERTH_MODEL_CACHE_ADVERSARIAL] = "adversarial",
		[BERTH_MODEL_CACHE_QUIET] = "quiet",
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(text, names[i])) {
			run->model.cache = (enum berth_model_cache)i;
			return true;
		}
	return false;
}

static bool parse_protection(struct run_options *run, const char *text)
{
	for (int p = BERTH_PROTECT_PASSTHROUGH; p <= BERTH_PROTECT_SHADOW; p++)
		if (!strcmp(text, berth_protection_name((enum berth_protection)p))) {
			run->protection = (enum berth_protection)p;
			run->is_protection_chosen = true;
			return true;
		}
	return false;
}

/* 0, or -1 if the argument cannot be used. */
static int parse_option(void *data, int option, const char *arg)
{
	struct command_line *line = data;
	struct run_options *run = &line->run;

	switch (option) {
	case OPT_VIDEO:
		run->video = arg;
		return 0;
	case OPT_OUT:
		run->out = arg;
		return 0;
	case OPT_SVG:
		line->svg = arg;
		return 0;
	case OPT_TRACE:
		line->trace = arg;
		return 0;
	case OPT_FRAMES:
		return parse_count(arg, &run->frames, 1, UINT32_MAX) ? 0 : -1;
	case OPT_SEED:
		return parse_count(arg, &run->model.seed, 0, UINT64_MAX) ? 0 : -1;
	case OPT_CACHE:
		return parse_cache(run, arg) ? 0 : -1;
	case OPT_DROP_SYNC:
		return parse_count(arg, &run->model.drop_cache_op, 1, UINT64_MAX) ? 0 : -1;
	case OPT_PROTECTION:
		return parse_protection(run, arg) ? 0 : -1;
	case OPT_NO_TENANTS:
		run->tenants = false;
		return 0;
	case OPT_MEM:
		return parse_mem(run, arg) ? 0 : -1;
	case OPT_JSON:
		line->json = true;
		return 0;
	case OPT_VERBOSE:
		run->verbose = true;
		return 0;
	default:
		line->help = true;
		return 0;
	}
}

static const struct command command = {
	.name = "run",
	.options = long_options,
	.parse = parse_option,
	.only_one = "only one board can be run",
};

static int unusable(const char *format, const char *what)
{
	return command_unusable(&command, format, what);
}

/* Reading a file while it is written again would end in tears. */
static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return a && b && !stat(a, &x) && !stat(b, &y) && S_ISREG(x.st_mode) &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static const char *const strip_colours[MEMORY_USES] = {
	[BERTH_PAGE_ABSENT] = "0",    [BERTH_PAGE_RESERVED] = "90", [BERTH_PAGE_FREE] = "37",
	[BERTH_PAGE_FREE_CMA] = "36", [BERTH_PAGE_USED] = "33",	    [BERTH_PAGE_SLAB] = "35",
	[BERTH_PAGE_CMA] = "32",      [BERTH_PAGE_TENANT] = "34",   [MEMORY_USE_FILE] = "94",
};

/* RAM in 48 characters, coloured by use. */
static void memory_strip(void)
{
	enum { WIDTH = 48 };
	const struct berth_mem_map *map = &berth_mem_map[0];
	uint64_t pages = (map->nr + WIDTH - 1) / WIDTH;

	for (uint64_t at = 0; at < map->nr; at += pages) {
		uint64_t left = map->nr - at;
		unsigned int use = memory_log_use(map->pfn + at, left < pages ? left : pages);

		fprintf(stderr, "\033[%sm%s", strip_colours[use],
			use == BERTH_PAGE_FREE || use == BERTH_PAGE_FREE_CMA ? "░" : "█");
	}
	fputs("\033[0m", stderr);
}

static void show_progress(void *data, uint64_t frame, uint64_t frames)
{
	enum { WIDTH = 24 };

	(void)data;
	fputs("\r\033[K", stderr);
	if (frames) {
		for (uint64_t i = 0; i < WIDTH; i++)
			fputs(i < frame * WIDTH / frames ? "━" : "╌", stderr);
		fprintf(stderr, " %" PRIu64 "/%" PRIu64 " frames  ", frame, frames);
	} else {
		fprintf(stderr, "%" PRIu64 " frames  ", frame);
	}
	memory_strip();
}

static int report(const struct command_line *line, const struct run_result *result, int status)
{
	if (line->json)
		table_print_json(&line->run, result);
	else
		table_print(&line->run, result);
	if (fflush(stdout)) {
		fprintf(stderr, "berth run: standard output: %s\n", strerror(errno));
		return RUN_FOUND;
	}
	return status;
}

static int run(struct command_line *line)
{
	char error[512];
	struct memory_log *log;
	struct run_result result;
	int status;

	if (line->trace) {
		line->run.trace = trace_open(line->trace, error, sizeof(error));
		if (!line->run.trace)
			return unusable("%s", error);
	}
	log = line->svg ? calloc(1, sizeof(*log)) : NULL;

	line->run.log = log;
	if (isatty(STDERR_FILENO))
		line->run.progress = show_progress;
	status = run_job(&line->run, &result);
	if (line->run.progress)
		fputs("\r\033[K", stderr);
	if (trace_close(line->run.trace, error, sizeof(error)) && status != RUN_UNUSABLE) {
		status = RUN_UNUSABLE;
		unusable("%s", error);
	} else if (status == RUN_UNUSABLE) {
		unusable("%s", result.error);
	} else {
		if (log && picture_write(line->svg, log, &result, error, sizeof(error)))
			status = unusable("%s", error);
		status = report(line, &result, status);
	}
	if (log)
		memory_log_free(log);
	free(log);
	return status;
}

int run_command(int argc, char **argv)
{
	struct command_line line = { .run = { .board = board_multimedia, .tenants = true } };
	void *board = NULL;
	char error[512];
	int status = command_parse(&command, &line, &line.board, argc, argv);

	if (status)
		return status;
	if (line.help) {
		fputs(usage, stdout);
		return RUN_DONE;
	}
	if (is_same_file(line.run.video, line.run.out))
		return unusable("--out: %s is the input as well", line.run.out);
	if (is_same_file(line.run.video, line.svg))
		return unusable("--svg: %s is the input as well", line.svg);
	if (is_same_file(line.run.video, line.trace))
		return unusable("--trace: %s is the input as well", line.trace);
	if (line.board) {
		board = board_load(line.board, error, sizeof(error));
		if (!board)
			return unusable("%s", error);
		line.run.board = board;
	}
	status = run(&line);
	free(board);
	return status;
}
