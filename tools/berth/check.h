/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `berth check`: the command looks at the program's file (check-elf.c) and gives each test with each seed a process
 * (check-child.c), which says what happens in frames over a pipe (check-frames.c). What comes is collected (check-runs.c), the same
 * findings of several runs become one (check-findings.c), addresses become lines (check-symbols.c), and what is unwanted is
 * taken out (check-suppress.c) before it is told (check-text.c, check-json.c, check-sarif.c).
 */
#ifndef BERTH_TOOL_CHECK_H
#define BERTH_TOOL_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CHECK_FRAMES 40u
#define CHECK_TEXT 256u

struct check_options {
	const char *program; /* as it was named */
	const char *test; /* NULL: all */
	const char *sarif, *suppress; /* files, or NULL */
	uint64_t first_seed;
	unsigned int nr_seeds;
	unsigned int timeout_s;
	uint64_t fail; /* the n-th mapping fails; 0: none */
	bool json, verbose, notes, hostile, faults, help;
};

/* A place in a module's file; without one @offset is an address. */
struct check_address {
	unsigned int module; /* number of check_frame_module, CHECK_NO_MODULE */
	uint64_t offset;
};
#define CHECK_NO_MODULE 255u

struct check_stack {
	struct check_address frame[CHECK_FRAMES];
	unsigned int nr;
	bool is_exact; /* the first is where it was, not where it would have returned to */
};

/* What the child says. */
enum check_kind {
	CHECK_SAYS_MODULE = 1, /* number, path */
	CHECK_SAYS_UNUSABLE, /* why */
	CHECK_SAYS_RULE, /* id, text, advice */
	CHECK_SAYS_TEST, /* name */
	CHECK_SAYS_MACHINE, /* in words */
	CHECK_SAYS_REPORT, /* struct check_finding without what is the parent's */
	CHECK_SAYS_COUNT, /* of the n-th report */
	CHECK_SAYS_FAILURE, /* file, line, text */
	CHECK_SAYS_RESULT, /* errno value, its name; bytes that were left */
	CHECK_SAYS_NO_START, /* why */
	CHECK_SAYS_CRASH, /* signal, address, stack */
	CHECK_SAYS_EXIT, /* stack */
	CHECK_SAYS_WHERE, /* stack of one that hangs */
};

/* Frames (check-frames.c): a payload is written piece by piece, in memory of a fixed size: a signal handler may do it. */
#define CHECK_PAYLOAD 3900u

struct check_frame {
	uint32_t magic, kind, size, sum;
	unsigned char bytes[CHECK_PAYLOAD];
};

void check_frame_begin(struct check_frame *frame, enum check_kind kind);
void check_frame_number(struct check_frame *frame, uint64_t value);
void check_frame_text(struct check_frame *frame, const char *text);
void check_frame_stack(struct check_frame *frame, const struct check_stack *stack);
void check_frame_send(struct check_frame *frame, int fd);

/* What comes out of a pipe, in any pieces. */
struct check_input {
	unsigned char bytes[2 * sizeof(struct check_frame)];
	size_t used;
	unsigned int damaged; /* bytes that were no frame's */
};

/* Room for more bytes; check_input_next() makes some. */
unsigned char *check_input_room(struct check_input *input, size_t *size);
/* The next whole frame; false: none yet. */
bool check_input_next(struct check_input *input, struct check_frame *frame);

/* Reading a payload; what is not there is 0 or "". */
struct check_reader {
	const struct check_frame *frame;
	size_t at;
};
uint64_t check_read_number(struct check_reader *reader);
void check_read_text(struct check_reader *reader, char *text, size_t size);
void check_read_stack(struct check_reader *reader, struct check_stack *stack);

/* The child (check-child.c); it does not return. @test: its number; CHECK_LIST: only tell what there is. */
#define CHECK_LIST (~0u)
_Noreturn void check_child(const struct check_options *options, const char *path, unsigned int test,
			   uint64_t seed, uint64_t fail, int fd);
/* Its modules (check-modules.c). */
void check_modules_look(struct check_frame *frame, int fd);
void check_modules_here(struct check_stack *stack, const uintptr_t *frames, unsigned int nr);
/* Its signals and its end (check-crash.c). */
void check_crash_watch(int fd);
void check_crash_loading(bool is_loading);

/* The file (check-elf.c). 0; or -1 with a line in @error. @warning: a line, or "". */
int check_look_at_file(const char *path, char *error, size_t size, char *warning,
		       size_t warning_size);

/* What is known of a place. */
struct check_line {
	char *function, *file; /* NULL: not known */
	unsigned int line;
	const char *module;
	uint64_t offset;
	bool is_program; /* the program's own */
};

struct check_lines {
	struct check_line *line;
	unsigned int nr;
	unsigned int at; /* the first one that is the program's; nr: none is */
};

/*
 * Something that was found.
 * @id, @text, @advice: of the rule; of what is no report of the checker's, the command's own
 * @what: the rule's text with its bytes
 * @breaks_on: a class of machine, or ""
 * @hint: a sentence, or ""
 * @level: "error", "warning", "note"
 * @other: of a rule about two accesses, the other one
 * @output: the last lines that the program wrote
 */
struct check_finding {
	char id[48], text[CHECK_TEXT], advice[CHECK_TEXT], what[2 * CHECK_TEXT],
		breaks_on[CHECK_TEXT];
	char hint[CHECK_TEXT];
	const char *level;
	char device[64], direction[24];
	int64_t offset; /* in the buffer */
	uint64_t length, buffer_length, bus;
	bool has_bytes, is_store;
	struct check_stack touched_at, mapped_at, other_at;
	struct check_lines touched, mapped, other;
	char *output;
	/* In which runs. */
	char test[CHECK_TEXT], machine[CHECK_TEXT];
	uint64_t *seeds;
	unsigned int nr_seeds;
	uint64_t count;
	uint64_t fail; /* which mapping was made to fail; 0: none */
};

struct check_rule {
	char id[48], text[CHECK_TEXT], advice[CHECK_TEXT];
};

struct check_results {
	const struct check_options *options;
	char path[4096]; /* of the program */
	char warning[CHECK_TEXT * 2];
	struct check_rule *rules;
	unsigned int nr_rules;
	char (*tests)[CHECK_TEXT];
	unsigned int nr_tests;
	struct check_finding *findings;
	unsigned int nr_findings, nr_suppressed;
	unsigned int runs;
	unsigned int hangs; /* of the test that runs */
	const char *modules[CHECK_NO_MODULE]; /* of the last child */
	const char *command; /* its own file */
	struct check_suppression *suppressions;
	unsigned int nr_suppressions;
};

/* Runs (check-runs.c). 0; or -1 with a line in @error. */
int check_list(struct check_results *results, char *error, size_t size);
/* Return: -1; 1: the mapping that was to fail has, or that is not known; 0. */
int check_run(struct check_results *results, unsigned int test, uint64_t seed, uint64_t fail);

/* Findings (check-findings.c). @finding is taken over. */
int check_add_finding(struct check_results *results, struct check_finding *finding);
void check_add_own_rules(struct check_results *results);
int check_add_rule(struct check_results *results, const struct check_rule *rule);
void check_free(struct check_results *results);
/* It is a device that has done it, while the program was anywhere. */
bool check_is_by_device(const struct check_finding *finding);
/* Where the program is to be changed: a line of the program's, or NULL. */
const struct check_line *check_main_line(const struct check_finding *finding);
/* A file as it is named from here. */
const char *check_relative(const char *file);

/* Lines (check-symbols.c). @program is the path of the program. */
int check_find_lines(const struct check_results *results, const struct check_stack *stack,
		     struct check_lines *lines);
void check_free_lines(struct check_lines *lines);
void check_symbols_end(void);

/* Suppressions (check-suppress.c). */
struct check_suppression {
	char *rule, *where;
	unsigned int line, used;
};
int check_read_suppressions(struct check_results *results, char *error, size_t size);
/* Whether all of them name rules. */
int check_judge_suppressions(const struct check_results *results, char *error, size_t size);
bool check_is_suppressed(struct check_results *results, const struct check_finding *finding);

/* Output. */

/* To print how a finding is had again: the arguments of the command. */
void check_again(const struct check_results *results, const struct check_finding *finding,
		 char *text, size_t size);
void check_print_text(const struct check_results *results);
void check_print_json(const struct check_results *results);
/* 0, or an errno value. */
int check_write_sarif(const struct check_results *results);

/* JSON (check-write.c). A name before a value, NULL in an array. */
struct check_json {
	FILE *file;
	unsigned int depth;
	bool is_first;
};
void json_open(struct check_json *json, const char *name, char bracket);
void json_close(struct check_json *json, char bracket);
void json_text(struct check_json *json, const char *name, const char *text);
void json_number(struct check_json *json, const char *name, int64_t number);
void json_bool(struct check_json *json, const char *name, bool value);
void json_hex(struct check_json *json, const char *name, uint64_t number);

/* `berth check`. */
int check_command(int argc, char **argv);

#endif
