// SPDX-License-Identifier: BSD-2-Clause
/* A process for each run, and what comes of it: what it says, and how it ends. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

/* Of what the program wrote, in a report. */
#define OUTPUT_BYTES 2000
#define OUTPUT_LINES 8

struct child {
	struct check_results *results;
	unsigned int test;
	uint64_t seed, fail;
	pid_t pid;
	int pidfd, pipe, output;
	struct check_input input;
	char machine[CHECK_TEXT];
	/* Reports of this run, with their counts at its end. */
	struct check_finding *reports;
	unsigned int nr_reports;
	struct check_finding failure; /* of the test itself */
	bool has_failure, has_result, has_crash, has_exit, has_where, is_unusable, timed_out;
	uint64_t failed, left, map_failed;
	char result[32], why[2 * CHECK_TEXT];
	struct check_stack stack;
	int signal;
	uint64_t address;
	int status;
};

/* Paths live as long as the command. */
static const char *keep_path(const char *path)
{
	static struct path {
		struct path *next;
		char text[];
	} * paths;
	struct path *at = paths;

	while (at && strcmp(at->text, path) != 0)
		at = at->next;
	if (!at) {
		at = malloc(sizeof(*at) + strlen(path) + 1);
		if (!at)
			return NULL;
		strcpy(at->text, path);
		at->next = paths;
		paths = at;
	}
	return at->text;
}

static void read_report(struct child *child, struct check_reader *reader)
{
	static const char *const levels[] = { "error", "warning", "note" };
	uint64_t severity;
	struct check_finding *grown =
		realloc(child->reports, (child->nr_reports + 1) * sizeof(*grown));
	struct check_finding *report;

	if (!grown)
		return;
	child->reports = grown;
	report = &grown[child->nr_reports++];
	*report = (struct check_finding){ .count = 1 };
	check_read_text(reader, report->id, sizeof(report->id));
	check_read_text(reader, report->what, sizeof(report->what));
	check_read_text(reader, report->breaks_on, sizeof(report->breaks_on));
	check_read_text(reader, report->device, sizeof(report->device));
	check_read_text(reader, report->direction, sizeof(report->direction));
	report->has_bytes = check_read_number(reader);
	report->offset = (int64_t)check_read_number(reader);
	report->length = check_read_number(reader);
	report->buffer_length = check_read_number(reader);
	report->bus = check_read_number(reader);
	report->is_store = check_read_number(reader);
	check_read_stack(reader, &report->touched_at);
	check_read_stack(reader, &report->mapped_at);
	check_read_stack(reader, &report->other_at);
	severity = check_read_number(reader);
	report->level = levels[severity < 3 ? severity : 0];
	check_read_text(reader, report->hint, sizeof(report->hint));
	check_find_lines(child->results, &report->touched_at, &report->touched);
	check_find_lines(child->results, &report->mapped_at, &report->mapped);
	check_find_lines(child->results, &report->other_at, &report->other);
}

static void read_count(struct child *child, struct check_reader *reader)
{
	const uint64_t which = check_read_number(reader);

	if (which < child->nr_reports)
		child->reports[which].count = check_read_number(reader);
}

static void read_failure(struct child *child, struct check_reader *reader)
{
	struct check_finding *failure = &child->failure;
	struct check_line *line;
	char file[2 * CHECK_TEXT], text[CHECK_TEXT];
	unsigned int number;

	if (child->has_failure)
		return;
	child->has_failure = true;
	check_read_text(reader, file, sizeof(file));
	number = (unsigned int)check_read_number(reader);
	check_read_text(reader, text, sizeof(text));
	snprintf(failure->what, sizeof(failure->what), "%s", text);
	line = calloc(1, sizeof(*line));
	if (!line)
		return;
	line->file = strdup(file);
	line->line = number;
	line->is_program = true;
	line->module = child->results->path;
	failure->touched = (struct check_lines){ .line = line, .nr = 1 };
}

static void read_rule(struct child *child, struct check_reader *reader)
{
	struct check_rule rule;

	check_read_text(reader, rule.id, sizeof(rule.id));
	check_read_text(reader, rule.text, sizeof(rule.text));
	check_read_text(reader, rule.advice, sizeof(rule.advice));
	check_add_rule(child->results, &rule);
}

static void read_test(struct child *child, struct check_reader *reader)
{
	struct check_results *results = child->results;
	char(*grown)[CHECK_TEXT] =
		realloc(results->tests, (results->nr_tests + 1) * sizeof(*grown));

	if (!grown)
		return;
	results->tests = grown;
	check_read_text(reader, grown[results->nr_tests++], CHECK_TEXT);
}

static void read_module(struct child *child, struct check_reader *reader)
{
	const uint64_t number = check_read_number(reader);
	char path[2 * CHECK_TEXT];

	check_read_text(reader, path, sizeof(path));
	if (number < CHECK_NO_MODULE)
		child->results->modules[number] = keep_path(path);
}

static void read_end(struct child *child, enum check_kind kind, struct check_reader *reader)
{
	if (kind == CHECK_SAYS_RESULT) {
		child->has_result = true;
		child->failed = check_read_number(reader);
		check_read_text(reader, child->result, sizeof(child->result));
		child->left = check_read_number(reader);
		child->map_failed = check_read_number(reader);
	} else if (kind == CHECK_SAYS_CRASH) {
		child->has_crash = true;
		child->signal = (int)check_read_number(reader);
		child->address = check_read_number(reader);
		check_read_stack(reader, &child->stack);
	} else {
		child->has_exit |= kind == CHECK_SAYS_EXIT;
		child->has_where |= kind == CHECK_SAYS_WHERE;
		check_read_stack(reader, &child->stack);
	}
}

static void read_frame(struct child *child, const struct check_frame *frame)
{
	struct check_reader reader = { .frame = frame };

	switch ((enum check_kind)frame->kind) {
	case CHECK_SAYS_MODULE:
		read_module(child, &reader);
		break;
	case CHECK_SAYS_UNUSABLE:
	case CHECK_SAYS_NO_START:
		child->is_unusable = frame->kind == CHECK_SAYS_UNUSABLE;
		check_read_text(&reader, child->why, sizeof(child->why));
		break;
	case CHECK_SAYS_RULE:
		read_rule(child, &reader);
		break;
	case CHECK_SAYS_TEST:
		read_test(child, &reader);
		break;
	case CHECK_SAYS_MACHINE:
		check_read_text(&reader, child->machine, sizeof(child->machine));
		break;
	case CHECK_SAYS_REPORT:
		read_report(child, &reader);
		break;
	case CHECK_SAYS_COUNT:
		read_count(child, &reader);
		break;
	case CHECK_SAYS_FAILURE:
		read_failure(child, &reader);
		break;
	default:
		read_end(child, (enum check_kind)frame->kind, &reader);
		break;
	}
}

/* All that is in the pipe. False: its end. */
static bool read_pipe(struct child *child)
{
	struct check_frame frame;
	size_t room;

	for (;;) {
		unsigned char *to = check_input_room(&child->input, &room);
		const ssize_t got = read(child->pipe, to, room);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 && errno == EAGAIN;
		child->input.used += (size_t)got;
		while (check_input_next(&child->input, &frame))
			read_frame(child, &frame);
	}
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

/* Until it ends, or @until. False: it has not ended. What it has started itself is not waited for. */
static bool follow(struct child *child, int64_t until)
{
	struct pollfd polls[2] = { { child->pidfd, POLLIN, 0 }, { child->pipe, POLLIN, 0 } };

	for (;;) {
		const int64_t left = until - now_ms();
		const int ready = poll(polls, 2, left > 0 ? (int)left : 0);

		if (ready > 0 && polls[1].revents && !read_pipe(child))
			polls[1].fd = -1;
		if (ready > 0 && polls[0].revents) {
			read_pipe(child);
			return true;
		}
		if (!ready && left <= 0)
			return false;
	}
}

static _Noreturn void be_child(const struct child *child, int to)
{
	const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(nothing, STDIN_FILENO);
	dup2(child->output, STDOUT_FILENO);
	dup2(child->output, STDERR_FILENO);
	check_child(child->results->options, child->results->path, child->test, child->seed,
		    child->fail, to);
}

static int start(struct child *child)
{
	int ends[2];

	child->output = memfd_create("output", MFD_CLOEXEC);
	if (child->output < 0)
		return -1;
	if (pipe2(ends, O_CLOEXEC)) {
		close(child->output);
		return -1;
	}
	fcntl(child->output, F_SETFL, O_APPEND);
	fflush(NULL);
	child->pid = fork();
	if (!child->pid)
		be_child(child, ends[1]);
	close(ends[1]);
	child->pipe = ends[0];
	fcntl(child->pipe, F_SETFL, O_NONBLOCK);
	child->pidfd = child->pid < 0 ? -1 : pidfd_open(child->pid, 0);
	if (child->pidfd >= 0)
		return 0;
	if (child->pid > 0) {
		kill(child->pid, SIGKILL);
		waitpid(child->pid, NULL, 0);
	}
	close(child->pipe);
	close(child->output);
	return -1;
}

/* 0; or -1: no process can be had. */
static int run_child(struct child *child)
{
	const int64_t limit = 1000ll * child->results->options->timeout_s;

	if (start(child))
		return -1;
	child->timed_out = !follow(child, now_ms() + limit);
	if (child->timed_out) {
		/* Where is it? If it does not even say that, it is not asked again. */
		kill(child->pid, SIGQUIT);
		follow(child, now_ms() + 2000);
		kill(-child->pid, SIGKILL);
		kill(child->pid, SIGKILL);
	}
	while (waitpid(child->pid, &child->status, 0) < 0 && errno == EINTR)
		;
	kill(-child->pid, SIGKILL);
	read_pipe(child);
	close(child->pidfd);
	close(child->pipe);
	return 0;
}

/* The last lines of what it wrote; for free(), NULL if it wrote nothing. */
static char *output_of(const struct child *child)
{
	const off_t size = lseek(child->output, 0, SEEK_END);
	const off_t from = size > OUTPUT_BYTES ? size - OUTPUT_BYTES : 0;
	char *text = calloc(1, OUTPUT_BYTES + 1), *at;
	unsigned int lines = 0;
	ssize_t got;

	if (!text || size <= 0)
		goto nothing;
	got = pread(child->output, text, OUTPUT_BYTES, from);
	if (got <= 0)
		goto nothing;
	while (got && text[got - 1] == '\n')
		text[--got] = '\0';
	for (at = text + got; at > text && lines < OUTPUT_LINES; at--)
		lines += at[-1] == '\n';
	if (lines == OUTPUT_LINES)
		memmove(text, at + 1, strlen(at + 1) + 1);
	return text;
nothing:
	free(text);
	return NULL;
}

static void take(struct child *child, struct check_finding *finding)
{
	snprintf(finding->test, sizeof(finding->test), "%s",
		 child->test < child->results->nr_tests ? child->results->tests[child->test] : "");
	snprintf(finding->machine, sizeof(finding->machine), "%s", child->machine);
	finding->seeds = malloc(sizeof(*finding->seeds));
	if (finding->seeds)
		finding->seeds[finding->nr_seeds++] = child->seed;
	finding->fail = child->fail;
	if (!finding->count)
		finding->count = 1;
	check_add_finding(child->results, finding);
}

/* Of the command's own: how a run went wrong. */
static void add_end(struct child *child, const char *id, const char *what, bool has_stack)
{
	struct check_finding finding = child->failure;

	child->failure = (struct check_finding){ 0 };
	snprintf(finding.id, sizeof(finding.id), "%s", id);
	if (what)
		snprintf(finding.what, sizeof(finding.what), "%s", what);
	if (has_stack) {
		check_free_lines(&finding.touched);
		finding.touched_at = child->stack;
		check_find_lines(child->results, &child->stack, &finding.touched);
	}
	finding.output = output_of(child);
	take(child, &finding);
}

static void add_crash(struct child *child)
{
	char *output = output_of(child), what[CHECK_TEXT];
	const char *name = sigabbrev_np(child->signal);
	const char *last = output ? strstr(output, "nothing is left that could") : NULL;

	if (child->signal == SIGABRT && last) {
		const char *from = strrchr(output, '\n');

		add_end(child, "deadlock", from && from < last ? from + 1 : output, true);
	} else {
		const bool has_address = child->signal == SIGSEGV || child->signal == SIGBUS;

		snprintf(what, sizeof(what), "crashes with SIG%s%s", name ? name : "?",
			 has_address && child->address < 4096 ? ": a null pointer" : "");
		add_end(child, "crash", what, true);
	}
	free(output);
}

/* How it ended, if not as it should. */
static void add_how_it_ended(struct child *child)
{
	char what[3 * CHECK_TEXT];

	if (child->has_crash) {
		add_crash(child);
	} else if (child->timed_out) {
		child->results->hangs++;
		snprintf(what, sizeof(what), "has not ended after %u s",
			 child->results->options->timeout_s);
		add_end(child, "hang", what, child->has_where);
	} else if (WIFSIGNALED(child->status)) {
		const char *name = sigabbrev_np(WTERMSIG(child->status));

		snprintf(what, sizeof(what), "is killed by SIG%s", name ? name : "?");
		add_end(child, "crash", what, false);
	} else if (child->why[0] && !child->fail) {
		snprintf(what, sizeof(what), "berth cannot start: %s", child->why);
		add_end(child, "no-start", what, false);
	} else if (!child->has_result && !child->why[0]) {
		snprintf(what, sizeof(what), "ends with exit status %d in the middle of the test",
			 WEXITSTATUS(child->status));
		add_end(child, "exit", what, child->has_exit);
	} else if (!child->fail && (child->failed || child->has_failure)) {
		snprintf(what, sizeof(what), "returns -%s", child->result);
		add_end(child, "test-failed", child->has_failure ? NULL : what, false);
	}
	if (child->left) {
		snprintf(what, sizeof(what), "%llu bytes of memory were still in use at the end",
			 (unsigned long long)child->left);
		add_end(child, "memory-left", what, false);
	}
}

static void end(struct child *child)
{
	check_free_lines(&child->failure.touched);
	free(child->reports);
	close(child->output);
}

/* What a program that cannot even be loaded did. */
static void tell_loading(struct child *child, char *error, size_t size)
{
	const char *name = child->has_crash ? sigabbrev_np(child->signal) : NULL;
	char *output = output_of(child);
	const char *last = output && strrchr(output, '\n') ? strrchr(output, '\n') + 1 : output;
	char where[CHECK_TEXT] = "";
	struct check_lines lines = { 0 };

	if (child->has_crash || child->has_where || child->has_exit)
		check_find_lines(child->results, &child->stack, &lines);
	if (lines.at < lines.nr && lines.line[lines.at].function)
		snprintf(where, sizeof(where), ", in %s()", lines.line[lines.at].function);
	if (child->is_unusable)
		snprintf(error, size, "%s", child->why);
	else if (child->has_crash)
		snprintf(error, size, "crashes when it is loaded: SIG%s%s", name ? name : "?",
			 where);
	else if (child->timed_out)
		snprintf(error, size, "hangs when it is loaded: not ready after %u s%s",
			 child->results->options->timeout_s, where);
	else if (WIFSIGNALED(child->status))
		snprintf(error, size, "is killed when it is loaded: signal %d",
			 WTERMSIG(child->status));
	else
		snprintf(error, size, "ends when it is loaded, with exit status %d%s%s%s",
			 WEXITSTATUS(child->status), where, last ? ": " : "", last ? last : "");
	check_free_lines(&lines);
	free(output);
}

int check_list(struct check_results *results, char *error, size_t size)
{
	struct child child = { .results = results, .test = CHECK_LIST };
	int ret = -1;

	if (run_child(&child)) {
		snprintf(error, size, "no process can be started: %s", strerror(errno));
		return -1;
	}
	if (!child.is_unusable && !child.has_crash && !child.timed_out && results->nr_tests &&
	    WIFEXITED(child.status) && !WEXITSTATUS(child.status))
		ret = 0;
	if (!ret)
		check_add_own_rules(results);
	else
		tell_loading(&child, error, size);
	end(&child);
	return ret;
}

int check_run(struct check_results *results, unsigned int test, uint64_t seed, uint64_t fail)
{
	struct child child = { .results = results, .test = test, .seed = seed, .fail = fail };
	char *output;

	if (run_child(&child)) {
		fprintf(stderr, "berth check: no process can be started: %s\n", strerror(errno));
		return -1;
	}
	results->runs++;
	for (unsigned int i = 0; i < child.nr_reports; i++)
		take(&child, &child.reports[i]);
	add_how_it_ended(&child);
	output = results->options->verbose ? output_of(&child) : NULL;
	if (output)
		fprintf(stderr, "%s, seed %llu:\n%s\n", results->tests[test],
			(unsigned long long)seed, output);
	free(output);
	end(&child);
	return child.map_failed || (!child.has_result && !child.why[0]);
}
