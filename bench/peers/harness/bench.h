/* SPDX-License-Identifier: BSD-2-Clause */
/* The timing of the peers' harnesses.
 * Native: 15 reps of ~BENCH_REP_MS each -> min / median wall ns/op, and median thread-CPU ns/op.
 * Under `valgrind --tool=callgrind --instr-atstart=no`: one dump per case -> Ir/op (see callgrind.py).
 * Line format: RES\t<harness>\t<case>\t<wall_min>\t<wall_med>\t<cpu_min>\t<cpu_med>\t<ops_per_rep>   (ns/op)          */
#ifndef BENCH_H
#define BENCH_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <unistd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <pthread.h>
#include <valgrind/callgrind.h>
#ifndef BENCH_REPS
#define BENCH_REPS 15
#endif
#ifndef BENCH_REP_MS
#define BENCH_REP_MS 12
#endif
static const char *bench_harness = "?";
static const char *bench_filter; /* part of the case name; =NAME: exactly that case */
typedef void (*bench_fn)(void *arg, uint64_t n);
static inline uint64_t b_wall(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}
static inline uint64_t b_cpu(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}
static int b_cmp(const void *a, const void *b)
{
	double x = *(double *)a, y = *(double *)b;
	return x < y ? -1 : x > y;
}
static inline void bench_init(int argc, char **argv, const char *name)
{
	bench_harness = name;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1)
		bench_filter = argv[1];
}
static inline int bench_skip(const char *name)
{
	if (!bench_filter || !strcmp(name, "calib_imul"))
		return 0;
	return bench_filter[0] == '=' ? strcmp(name, bench_filter + 1)
				      : !strstr(name, bench_filter);
}
/* cg_n: number of ops run under callgrind (0 = skip there) */
static void bench(const char *name, bench_fn fn, void *arg, uint64_t cg_n)
{
	if (bench_skip(name))
		return;
	if (RUNNING_ON_VALGRIND) {
		if (!cg_n)
			return;
		fn(arg, cg_n / 4 + 1); /* warm */
		CALLGRIND_START_INSTRUMENTATION;
		CALLGRIND_ZERO_STATS;
		fn(arg, cg_n);
		CALLGRIND_DUMP_STATS_AT(name);
		CALLGRIND_STOP_INSTRUMENTATION;
		printf("CG\t%s\t%s\t%lu\n", bench_harness, name, (unsigned long)cg_n);
		return;
	}
	uint64_t n = 1, t;
	fn(arg, 1);
	fn(arg, 1);
	for (;;) { /* calibrate */
		uint64_t t0 = b_cpu();
		fn(arg, n);
		t = b_cpu() - t0;
		if (t > BENCH_REP_MS * 1000000ull / 4 || n > (1ull << 40))
			break;
		n *= 2;
	}
	n = (uint64_t)((double)n * BENCH_REP_MS * 1e6 / (double)(t ? t : 1));
	if (!n)
		n = 1;
	double w[BENCH_REPS], c[BENCH_REPS];
	for (int i = 0; i < BENCH_REPS; i++) {
		uint64_t c0 = b_cpu(), w0 = b_wall();
		fn(arg, n);
		uint64_t w1 = b_wall(), c1 = b_cpu();
		w[i] = (double)(w1 - w0) / n;
		c[i] = (double)(c1 - c0) / n;
	}
	qsort(w, BENCH_REPS, sizeof *w, b_cmp);
	qsort(c, BENCH_REPS, sizeof *c, b_cmp);
	printf("RES\t%s\t%s\t%.2f\t%.2f\t%.2f\t%.2f\t%lu\n", bench_harness, name, w[0],
	       w[BENCH_REPS / 2], c[0], c[BENCH_REPS / 2], (unsigned long)n);
}
/* N threads run fn(arg_of_thread, n) at the same time; wall = (last end - first start)/n, cpu = mean thread CPU/n */
struct b_mt {
	bench_fn fn;
	void *arg;
	uint64_t n;
	pthread_barrier_t *bar;
	int cpu;
	uint64_t s, e, c;
};
extern __thread int bench_cpu __attribute__((weak));
/* pin thread i to cpu i: unpinned, the two threads often share one busy core */
extern long syscall(long, ...);
static void b_pin(int c)
{
	unsigned long m[16] = { 0 };
	m[0] = 1ul << (c % 2);
	syscall(203 /*sched_setaffinity*/, 0, sizeof m, m);
}
static void *b_mt_main(void *p)
{
	struct b_mt *m = p;
	bench_cpu = m->cpu;
	b_pin(m->cpu);
	pthread_barrier_wait(m->bar);
	m->c = b_cpu();
	m->s = b_wall();
	m->fn(m->arg, m->n);
	m->e = b_wall();
	m->c = b_cpu() - m->c;
	return NULL;
}
static uint64_t b_mt_once(int nt, bench_fn fn, void **args, uint64_t n, double *cpu)
{
	pthread_t th[16];
	struct b_mt m[16];
	pthread_barrier_t bar;
	pthread_barrier_init(&bar, NULL, nt);
	uint64_t s = ~0ull, e = 0, c = 0;
	for (int i = 0; i < nt; i++) {
		m[i] = (struct b_mt){ fn, args[i], n, &bar, i, 0, 0, 0 };
		pthread_create(&th[i], NULL, b_mt_main, &m[i]);
	}
	for (int i = 0; i < nt; i++) {
		pthread_join(th[i], NULL);
		if (m[i].s < s)
			s = m[i].s;
		if (m[i].e > e)
			e = m[i].e;
		c += m[i].c;
	}
	pthread_barrier_destroy(&bar);
	if (cpu)
		*cpu = (double)c / nt / n;
	return e - s;
}
static void bench_mt(const char *name, int nt, bench_fn fn, void **args)
{
	if (bench_skip(name) || RUNNING_ON_VALGRIND)
		return;
	uint64_t n = 64, t;
	for (;;) {
		t = b_mt_once(nt, fn, args, n, NULL);
		if (t > BENCH_REP_MS * 1000000ull)
			break;
		n *= 2;
	}
	double w[BENCH_REPS], c[BENCH_REPS];
	for (int i = 0; i < BENCH_REPS; i++)
		w[i] = (double)b_mt_once(nt, fn, args, n, &c[i]) / n;
	qsort(w, BENCH_REPS, sizeof *w, b_cmp);
	qsort(c, BENCH_REPS, sizeof *c, b_cmp);
	printf("RES\t%s\t%s\t%.2f\t%.2f\t%.2f\t%.2f\t%lu\n", bench_harness, name, w[0],
	       w[BENCH_REPS / 2], c[0], c[BENCH_REPS / 2], (unsigned long)n);
}
static inline uint64_t b_rng(uint64_t *s)
{
	uint64_t x = *s;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *s = x;
}
/* machine-speed reference: one op = one dependent 64-bit imul (3 cycles); ns/op*GHz should be 3 when undisturbed */
static void b_calib(void *a, uint64_t n)
{
	uint64_t x = (uintptr_t)a | 1;
	for (uint64_t i = 0; i < n; i += 8) {
		__asm__ volatile(
			"imul %0,%0\n\timul %0,%0\n\timul %0,%0\n\timul %0,%0\n\timul %0,%0\n\timul %0,%0\n\timul %0,%0\n\timul %0,%0"
			: "+r"(x));
	}
}
#define bench_calib() bench("calib_imul", b_calib, NULL, 0)
#define b_use(x) __asm__ volatile("" ::"r"(x) : "memory")
#endif
