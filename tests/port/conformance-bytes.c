/* SPDX-License-Identifier: BSD-2-Clause */
/* memcpy and its kin, against the same done byte by byte; small things that any port has. */
#include "suite.h"

#define SIZE 320u

/* Volatile, or the compiler makes a call of the function under test out of a loop. */
static volatile unsigned char expected[SIZE];
static unsigned char buffer[SIZE], source[SIZE];

static void fill(unsigned int seed)
{
	for (unsigned int i = 0; i < SIZE; i++) {
		seed = seed * 1103515245u + 12345u;
		buffer[i] = (unsigned char)(seed >> 16);
		expected[i] = buffer[i];
		source[i] = (unsigned char)(seed >> 20);
	}
}

/* The whole buffer: what lies around must be as it was. */
static bool is_as_expected(void)
{
	for (unsigned int i = 0; i < SIZE; i++)
		if (buffer[i] != expected[i])
			return false;
	return true;
}

static void test_memcpy(void)
{
	for (unsigned int n = 0; n < 72; n++)
		for (unsigned int to = 0; to < 9; to++)
			for (unsigned int from = 0; from < 9; from++) {
				fill(n * 81 + to * 9 + from);
				for (unsigned int i = 0; i < n; i++)
					expected[64 + to + i] = source[from + i];
				CHECK(memcpy(buffer + 64 + to, source + from, n) ==
				      buffer + 64 + to);
				if (!CHECK(is_as_expected()))
					return;
			}
}

static void test_memmove(void)
{
	for (unsigned int n = 0; n < 140; n++)
		for (unsigned int to = 60; to < 140; to++) {
			fill(n * 80 + to);
			for (unsigned int i = 0; i < n; i++)
				source[i] = buffer[100 + i];
			for (unsigned int i = 0; i < n; i++)
				expected[to + i] = source[i];
			CHECK(memmove(buffer + to, buffer + 100, n) == buffer + to);
			if (!CHECK(is_as_expected()))
				return;
		}
}

static void test_memset(void)
{
	for (unsigned int n = 0; n < 140; n++)
		for (unsigned int to = 60; to < 80; to++) {
			fill(n * 20 + to);
			for (unsigned int i = 0; i < n; i++)
				expected[to + i] = (unsigned char)(n ^ 0xa5);
			CHECK(memset(buffer + to, (int)(n ^ 0xa5) | 0x300, n) == buffer + to);
			if (!CHECK(is_as_expected()))
				return;
		}
}

static void test_memcmp(void)
{
	for (unsigned int n = 0; n < 72; n++)
		for (unsigned int from = 0; from < 9; from++) {
			fill(n);
			for (unsigned int i = 0; i < n; i++)
				buffer[16 + i] = source[from + i];
			buffer[16 + n] = (unsigned char)(source[from + n] + 1);
			CHECK_EQUAL(memcmp(buffer + 16, source + from, n), 0);
			for (unsigned int i = 0; i < n; i++) {
				unsigned char was = buffer[16 + i];

				/* The first difference decides, as unsigned bytes. */
				buffer[16 + i] = 0xff;
				source[from + i] = 0x01;
				if (i + 1 < n)
					buffer[16 + i + 1] ^= 0x80;
				CHECK(memcmp(buffer + 16, source + from, n) > 0);
				CHECK(memcmp(source + from, buffer + 16, n) < 0);
				if (i + 1 < n)
					buffer[16 + i + 1] ^= 0x80;
				buffer[16 + i] = was;
				source[from + i] = was;
			}
		}
}

static void test_large(void)
{
	unsigned char *a = conformance_pages(4), *b = conformance_pages(4);
	const size_t n = 4 * PAGE_BYTES - 11;

	if (!a || !b)
		return;
	for (size_t i = 0; i < 4 * PAGE_BYTES; i++)
		a[i] = (unsigned char)(i * 7 + i / 251);
	memset(b, 0, 4 * PAGE_BYTES);
	memcpy(b + 3, a + 5, n);
	CHECK_EQUAL(memcmp(b + 3, a + 5, n), 0);
	CHECK(!b[0] && !b[1] && !b[2] && !b[3 + n]);
	memmove(b + 8, b + 3, n);
	CHECK_EQUAL(memcmp(b + 8, a + 5, n), 0);
	memmove(b, b + 8, n);
	CHECK_EQUAL(memcmp(b, a + 5, n), 0);
}

static void test_poison(void)
{
	unsigned char *page = conformance_pages(1);

	if (!page)
		return;
	berth_port_poison(page, PAGE_BYTES);
	berth_port_unpoison(page, PAGE_BYTES / 2);
	memset(page, 1, PAGE_BYTES / 2);
	berth_port_unpoison(page, PAGE_BYTES);
	memset(page, 2, PAGE_BYTES);
	CHECK_EQUAL(page[PAGE_BYTES - 1], 2);
}

static unsigned int backtrace_from(unsigned int depth, uintptr_t *frames, unsigned int max);
/* Called through this, or a compiler makes a loop of it. */
static unsigned int (*volatile backtrace_call)(unsigned int depth, uintptr_t *frames,
					       unsigned int max) = backtrace_from;

static unsigned int backtrace_from(unsigned int depth, uintptr_t *frames, unsigned int max)
{
	unsigned int count = depth ? backtrace_call(depth - 1, frames, max)
				   : berth_port_backtrace(frames, max);

	/* No tail call. */
	__asm__ volatile("" : "+r"(count));
	return count;
}

static void test_backtrace(void)
{
	uintptr_t frames[33];
	unsigned int shallow, deep;

	frames[4] = 42;
	CHECK_EQUAL(berth_port_backtrace(frames, 0), 0);
	CHECK(berth_port_backtrace(frames, 4) <= 4);
	CHECK_EQUAL(frames[4], 42);
	shallow = backtrace_from(0, frames, 32);
	CHECK(shallow <= 32);
	for (unsigned int i = 0; i < shallow; i++)
		CHECK(frames[i]);
	deep = backtrace_from(5, frames, 32);
	CHECK(deep <= 32);
	if (!shallow)
		conformance_skip("this port cannot tell");
	else if (shallow < 24)
		CHECK(deep > shallow);
}

static void test_error_record(void)
{
	struct berth_error *error = berth_port_error();

	if (!CHECK(error))
		return;
	error->code = -EIO;
	CHECK(berth_port_error() == error);
	CHECK_EQUAL(-berth_port_error()->code, EIO);
	error->code = 0;
}

static void test_slot(void)
{
	unsigned int slot = berth_port_slot();

	CHECK(slot < BERTH_PORT_MAX_SLOTS);
	CHECK_EQUAL(berth_port_slot(), slot);
	CHECK(berth_port_slots_in_use() > slot);
	CHECK(berth_port_slots_in_use() <= BERTH_PORT_MAX_SLOTS);
	berth_port_relax();
}

static void test_print(void)
{
	berth_port_print("", 0);
	/* A length, not a terminator, says where the text ends. */
	berth_port_print("# printed by length\nnot ok 0 - not printed\n", 20);
}

const struct conformance_test conformance_bytes[] = {
	{ "memcpy copies just what it is told to", test_memcpy },
	{ "memmove copies onto itself in both directions", test_memmove },
	{ "memset stores the low byte", test_memset },
	{ "memcmp compares unsigned bytes, first difference first", test_memcmp },
	{ "copies across pages", test_large },
	{ "poisoned memory is usable after unpoison", test_poison },
	{ "backtrace stays within its array and sees deeper calls", test_backtrace },
	{ "the error record is the same at every call", test_error_record },
	{ "a slot is below the bound and in use", test_slot },
	{ "print goes by length", test_print },
	{ NULL, NULL },
};
