/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The timing of the benchmarks. A program is a list of cases and calls bench_main(). It prints one
 * line of JSON per case; bench/run.py reads them.
 *
 *   bench-SUBJECT                             time every case
 *   bench-SUBJECT --case NAME                 this case only
 *   bench-SUBJECT --case NAME --iterations N  run it N times, without timing: for callgrind, where
 *                                             the difference of two such runs is what N cost
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <berth/berth.h>
#include <berth/model.h>

#include "boards.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_TOGGLE_COLLECT
#endif

#define BENCH_ROUNDS 15
#define BENCH_ROUND_NS 12e6
#define BENCH_WARM_UP 16

/**
 * struct bench_case - one row
 * @name: of the case
 * @run: performs the operation @iterations times
 * @against: what is timed beside it, round by round, if anything
 * @peer: what that is; NULL: memcpy
 * @arg: handed to both, and to @start
 * @per: operations in an iteration; 0: one
 * @count: iterations that callgrind counts; 0: 1000
 * @start, @stop: around the case, if not NULL
 */
struct bench_case {
	const char *name;
	void (*run)(unsigned long arg, uint64_t iterations);
	void (*against)(unsigned long arg, uint64_t iterations);
	const char *peer;
	unsigned long arg;
	unsigned int per;
	unsigned int count;
	void (*start)(unsigned long arg);
	void (*stop)(void);
};

/* The compiler knows nothing about @x, nor about memory, from here on. */
#define bench_use(x) __asm__ volatile("" : "+r"(x) : : "memory")

static inline void bench_must(bool condition, const char *what)
{
	char why[200];

	if (condition)
		return;
	berth_error_text(NULL, why, sizeof(why));
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

/* berth's own board, without drivers. */
static inline void bench_start(const struct berth_options *options)
{
	bench_must(!berth_start(board_multimedia, NULL, options), "berth_start");
}

/* Without the bank above 4 GiB: one zone, and one place for everything. */
static inline void bench_start_machine(const struct berth_machine *machine)
{
	const struct berth_options options = { .machine = machine, .bootargs = "mem=64M" };

	bench_start(&options);
}

static inline void bench_stop_machine(void)
{
	bench_must(!berth_stop(), "berth_stop");
}

static inline double bench_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static double bench_paused; /* ns that do not count */

/* What lies between these two is neither timed nor counted; for long operations only. */
static inline void bench_pause(void)
{
	CALLGRIND_TOGGLE_COLLECT;
	bench_paused -= bench_now();
}

static inline void bench_resume(void)
{
	bench_paused += bench_now();
	CALLGRIND_TOGGLE_COLLECT;
}

typedef void bench_run(unsigned long arg, uint64_t iterations);

/* ns of @iterations */
static double bench_time(bench_run *run, unsigned long arg, uint64_t iterations)
{
	double start = bench_now();

	bench_paused = 0;
	run(arg, iterations);
	return bench_now() - start - bench_paused;
}

/* How many iterations fill a round. */
static uint64_t bench_calibrate(bench_run *run, unsigned long arg)
{
	uint64_t iterations = 1;
	double ns;

	while ((ns = bench_time(run, arg, iterations)) < BENCH_ROUND_NS / 4)
		iterations *= 2;
	iterations = (uint64_t)((double)iterations * BENCH_ROUND_NS / ns);
	return iterations ? iterations : 1;
}

static int bench_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double bench_median(double *values)
{
	qsort(values, BENCH_ROUNDS, sizeof(*values), bench_compare);
	return values[BENCH_ROUNDS / 2];
}

/* The clock of the machine: multiplications that wait for each other, three cycles each on x86. */
static void bench_multiply(unsigned long arg, uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++) {
		arg *= 0x9e3779b97f4a7c15ul;
		__asm__ volatile("" : "+r"(arg));
	}
}

static void bench_measure(const struct bench_case *c, double clock_ns)
{
	double ns[BENCH_ROUNDS], against[BENCH_ROUNDS], ratio[BENCH_ROUNDS];
	unsigned int per = c->per ? c->per : 1;
	uint64_t iterations = bench_calibrate(c->run, c->arg), other = 0;

	if (c->against)
		other = bench_calibrate(c->against, c->arg);
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++) {
		ns[i] = bench_time(c->run, c->arg, iterations) / (double)(iterations * per);
		if (!c->against)
			continue;
		against[i] = bench_time(c->against, c->arg, other) / (double)(other * per);
		ratio[i] = ns[i] / against[i];
	}
	printf("{\"case\": \"%s\", \"ns\": %.2f, \"operations\": %llu, \"per\": %u, \"count\": %u, "
	       "\"clock\": %.4f",
	       c->name, bench_median(ns), (unsigned long long)(iterations * per), per,
	       c->count ? c->count : 1000, clock_ns);
	if (c->against)
		printf(", \"against\": \"%s\", \"against_ns\": %.2f, \"ratio\": %.3f",
		       c->peer ? c->peer : "memcpy", bench_median(against), bench_median(ratio));
	printf("}\n");
	fflush(stdout);
}

static inline int bench_main(int argc, char **argv, const struct bench_case *cases, size_t nr_cases)
{
	const char *wanted = NULL;
	uint64_t iterations = 0, clock_iterations;
	double clock_ns = 0;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--case"))
			wanted = argv[i + 1];
		else if (!strcmp(argv[i], "--iterations"))
			iterations = strtoull(argv[i + 1], NULL, 10);
	}
	if (!iterations) {
		clock_iterations = bench_calibrate(bench_multiply, 1);
		clock_ns =
			bench_time(bench_multiply, 1, clock_iterations) / (double)clock_iterations;
	}
	for (size_t i = 0; i < nr_cases; i++) {
		const struct bench_case *c = &cases[i];

		if (wanted && strcmp(wanted, c->name))
			continue;
		if (c->start)
			c->start(c->arg);
		c->run(c->arg, BENCH_WARM_UP);
		if (iterations)
			c->run(c->arg, iterations);
		else
			bench_measure(c, clock_ns);
		if (c->stop)
			c->stop();
	}
	return 0;
}

#endif
