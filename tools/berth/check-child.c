// SPDX-License-Identifier: BSD-2-Clause
/*
 * The process in which a test runs: it loads the program, and with it the library with the checker, and calls that library
 * by the program's names: the command's own berth stays out of it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <berth/berth.h>
#include <berth/check-run.h>
#include <berth/test.h>

#include "boards.h"
#include "check.h"
#include "run.h"

#define LIBRARY "libberth-check.so.0"

/* What is called of the library. */
static struct {
	bool (*is_checked)(void);
	const char *(*version)(void);
	int (*run)(const struct berth_check_run *run, const struct berth_check_machine *machine,
		   struct berth_check_outcome *outcome, unsigned int abi);
	void (*machine)(uint64_t seed, struct berth_check_machine *machine);
	size_t (*machine_text)(const struct berth_check_machine *machine, char *text, size_t size);
	const char *(*rule_id)(enum berth_check_rule rule);
	const char *(*rule_text)(enum berth_check_rule rule);
	const char *(*rule_advice)(enum berth_check_rule rule);
	size_t (*text)(const struct berth_check_report *report, char *text, size_t size);
	int (*each)(int (*visit)(const struct berth_check_report *report, void *data), void *data);
	size_t (*error_text)(const struct berth_error *error, char *text, size_t size);
	const char *(*error_name)(int code);
} lib;

static const struct {
	const char *name;
	void *to;
} calls[] = {
	{ "berth_is_checked", &lib.is_checked },
	{ "berth_version", &lib.version },
	{ "berth_check_run_abi", &lib.run },
	{ "berth_check_machine", &lib.machine },
	{ "berth_check_machine_text", &lib.machine_text },
	{ "berth_check_rule_id", &lib.rule_id },
	{ "berth_check_rule_text", &lib.rule_text },
	{ "berth_check_rule_advice", &lib.rule_advice },
	{ "berth_check_text", &lib.text },
	{ "berth_check_each", &lib.each },
	{ "berth_error_text", &lib.error_text },
	{ "berth_error_name", &lib.error_name },
};

static int fd;
static struct check_frame frame;

/* Of threads of the program that say something at once, one frame after the other. */
static int frame_lock;

static void begin(enum check_kind kind)
{
	while (__atomic_exchange_n(&frame_lock, 1, __ATOMIC_ACQUIRE))
		usleep(100);
	check_frame_begin(&frame, kind);
}

static void send(void)
{
	check_frame_send(&frame, fd);
	__atomic_store_n(&frame_lock, 0, __ATOMIC_RELEASE);
}

static _Noreturn void unusable(const char *why)
{
	begin(CHECK_SAYS_UNUSABLE);
	check_frame_text(&frame, why);
	send();
	_exit(RUN_UNUSABLE);
}

/* The library that comes with the command, for programs that do not say where theirs is. */
static void *load_library(void)
{
	static const char *const places[] = { "../..", ("../" BERTH_LIBDIR), "../lib" };
	char own[PATH_MAX], path[PATH_MAX + 64];
	const ssize_t got = readlink("/proc/self/exe", own, sizeof(own) - 1);
	void *library = NULL;

	if (got <= 0)
		return NULL;
	own[got] = '\0';
	*strrchr(own, '/') = '\0';
	for (size_t i = 0; !library && i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s/" LIBRARY, own, places[i]);
		if (!access(path, R_OK))
			library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	}
	return library;
}

static void *load(const char *path)
{
	void *program;
	char why[1024];

	check_crash_loading(true);
	program = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!program) {
		snprintf(why, sizeof(why), "%s", dlerror());
		if (strstr(why, LIBRARY ": cannot open") && load_library())
			program = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		if (!program) {
			const char *again = dlerror();

			unusable(again ? again : why);
		}
	}
	check_modules_look(&frame, fd);
	check_crash_loading(false);
	return program;
}

static const struct berth_test_program *find_entry(void *program)
{
	const struct berth_test_program *entry = dlsym(program, "berth_test_program");

	if (!entry)
		unusable("has no entry point: BERTH_TEST_PROGRAM() of berth/test.h is missing");
	return entry;
}

static void find_calls(void *program)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		void *call = dlsym(program, calls[i].name);

		memcpy(calls[i].to, &call, sizeof(call));
	}
	if (!lib.is_checked)
		unusable("is not linked with libberth-check: see pkg-config berth-check");
	if (!lib.is_checked())
		unusable("is linked with libberth: the checker is in libberth-check");
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!*(void *const *)calls[i].to)
			unusable(
				"is linked with a libberth-check of another version than this command");
	if (strcmp(lib.version(), berth_version()) != 0)
		unusable("is linked with a libberth-check of another version than this command");
}

static void judge(const struct berth_test_program *entry)
{
	if (!(entry->abi & 0x80000000u))
		unusable("is built without -DBERTH_CHECKED: see pkg-config --cflags berth-check");
	if (entry->abi != (BERTH_ABI | 0x80000000u))
		unusable("is built against the headers of another berth");
	if (!entry->tests || !entry->tests[0].run)
		unusable("has no tests");
}

static void list(const struct berth_test_program *entry)
{
	for (int rule = 1; strcmp(lib.rule_id((enum berth_check_rule)rule), "?") != 0; rule++) {
		begin(CHECK_SAYS_RULE);
		check_frame_text(&frame, lib.rule_id((enum berth_check_rule)rule));
		check_frame_text(&frame, lib.rule_text((enum berth_check_rule)rule));
		check_frame_text(&frame, lib.rule_advice((enum berth_check_rule)rule));
		send();
	}
	for (unsigned int i = 0; entry->tests[i].run; i++) {
		begin(CHECK_SAYS_TEST);
		check_frame_text(&frame, entry->tests[i].name ? entry->tests[i].name : "?");
		send();
	}
}

static void put_place(const struct berth_check_place *place)
{
	struct check_stack stack;

	check_modules_here(&stack, place->frame, place->nr);
	check_frame_stack(&frame, &stack);
}

static void on_report(const struct berth_check_report *report, void *data)
{
	static const char *const directions[] = { "DMA_BIDIRECTIONAL", "DMA_TO_DEVICE",
						  "DMA_FROM_DEVICE", "" };
	const unsigned int direction = (unsigned int)report->direction;
	char text[2 * CHECK_TEXT];

	(void)data;
	lib.text(report, text, sizeof(text));
	begin(CHECK_SAYS_REPORT);
	check_frame_text(&frame, lib.rule_id(report->rule));
	check_frame_text(&frame, text);
	check_frame_text(&frame, report->breaks_on);
	check_frame_text(&frame, report->device);
	check_frame_text(&frame, directions[direction < 3 ? direction : 3]);
	check_frame_number(&frame, report->address && report->buffer);
	check_frame_number(&frame, report->address - report->buffer);
	check_frame_number(&frame, report->length);
	check_frame_number(&frame, report->buffer_length);
	check_frame_number(&frame, report->bus);
	check_frame_number(&frame, report->is_store);
	put_place(&report->touched);
	put_place(&report->mapped);
	put_place(&(struct berth_check_place){ .frame = { report->other },
					       .nr = report->other ? 1 : 0 });
	check_frame_number(&frame, (unsigned int)report->severity);
	check_frame_text(&frame, report->hint);
	send();
}

static int tell_count(const struct berth_check_report *report, void *data)
{
	begin(CHECK_SAYS_COUNT);
	check_frame_number(&frame, (*(uint64_t *)data)++);
	check_frame_number(&frame, report->count);
	send();
	return 0;
}

static void on_stopped(void *data)
{
	uint64_t nr = 0;

	(void)data;
	lib.each(tell_count, &nr);
}

static void on_failure(void *data, const char *file, unsigned int line, const char *text)
{
	(void)data;
	begin(CHECK_SAYS_FAILURE);
	check_frame_text(&frame, file);
	check_frame_number(&frame, line);
	check_frame_text(&frame, text);
	send();
}

static void *load_board(const char *board, const char *program)
{
	char path[2 * PATH_MAX], error[512];
	void *tree;

	if (!board)
		return NULL;
	if (!strncmp(board, "/dts-v1/", 8)) {
		tree = board_compile(board, error, sizeof(error));
	} else {
		/* From the program's folder. */
		const char *end = strrchr(program, '/');

		snprintf(path, sizeof(path), "%.*s%s",
			 *board == '/' || !end ? 0 : (int)(end + 1 - program), program, board);
		tree = board_load(path, error, sizeof(error));
	}
	if (!tree)
		unusable(error);
	return tree;
}

static int call_test(void *data)
{
	return ((const struct berth_test *)data)->run();
}

static void run(const struct check_options *options, const struct berth_test_program *entry,
		const struct berth_test *test, const char *path, uint64_t seed, uint64_t fail)
{
	const struct berth_check_run what = {
		.board = load_board(test->board ? test->board : entry->board, path),
		.drivers = entry->drivers,
		.devices = entry->devices,
		.test = call_test,
		.data = (void *)(uintptr_t)test,
		.on_report = on_report,
		.on_failure = on_failure,
		.on_stopped = on_stopped,
		.with_notes = options->notes,
		.is_hostile = options->hostile,
		.fail_nth = fail,
	};
	struct berth_check_machine machine;
	struct berth_check_outcome outcome;
	char text[CHECK_TEXT];
	int err;

	lib.machine(seed, &machine);
	lib.machine_text(&machine, text, sizeof(text));
	begin(CHECK_SAYS_MACHINE);
	check_frame_text(&frame, text);
	send();
	err = lib.run(&what, &machine, &outcome, entry->abi);
	begin(err ? CHECK_SAYS_NO_START : CHECK_SAYS_RESULT);
	if (err) {
		lib.error_text(NULL, text, sizeof(text));
		check_frame_text(&frame, text);
	} else {
		check_frame_number(&frame, outcome.result != 0);
		check_frame_text(&frame, lib.error_name(outcome.result));
		check_frame_number(&frame, outcome.has_leaked ? outcome.leaked_bytes : 0);
		check_frame_number(&frame, outcome.has_failed);
	}
	send();
}

_Noreturn void check_child(const struct check_options *options, const char *path, unsigned int test,
			   uint64_t seed, uint64_t fail, int pipe_fd)
{
	const struct berth_test_program *entry;
	void *program;

	fd = pipe_fd;
	check_crash_watch(fd);
	program = load(path);
	entry = find_entry(program);
	find_calls(program);
	judge(entry);
	if (test == CHECK_LIST)
		list(entry);
	else
		run(options, entry, &entry->tests[test], path, seed, fail);
	_exit(RUN_DONE);
}
