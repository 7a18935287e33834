/* SPDX-License-Identifier: BSD-2-Clause */
/* Floor 0 without a machine: printing, parsing, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <berth/errno.h>
#include <berth/error.h>
#include <berth/scatterlist.h>

#include "lib/error.h"
#include "lib/printk.h"
#include "lib/string.h"

static const char *const formats[] = { "%d",   "%5d",	"%-5d|",  "%05d", "%.3d",  "%8.3d", "%x",
				       "%#x",  "%#10x", "%-#8x|", "%08x", "%#08x", "%u",    "%X",
				       "%.0d", "%hhd",	"%hd",	  "%hhu", "%hu",   "%i" };
static const int numbers[] = { 0,   1,	   -1,	  7,	  42,	   -42,	   255,
			       256, 65535, 65536, 123456, INT_MAX, INT_MIN };

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"

static void prints_numbers_as_libc_does(void **state)
{
	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(formats); f++) {
		for (size_t n = 0; n < ARRAY_SIZE(numbers); n++) {
			char ours[64], theirs[64];
			int length = berth_snprintf(ours, sizeof(ours), formats[f], numbers[n]);

			assert_int_equal(length,
					 snprintf(theirs, sizeof(theirs), formats[f], numbers[n]));
			assert_string_equal(ours, theirs);
		}
	}
}

static void prints_the_rest_as_libc_does(void **state)
{
	char ours[128], theirs[128];
	int length;

	(void)state;
	length = berth_snprintf(ours, sizeof(ours),
				"%s|%8s|%-8s|%.2s|%*s|%.*s|%c|%%|%zu|%llx|%ld|%jd", "abc", "abc",
				"abc", "abc", 6, "abc", 1, "abc", 'x', (size_t)77,
				0xffffffffffffffffULL, -5L, (intmax_t)-6);
	assert_int_equal(length, snprintf(theirs, sizeof(theirs),
					  "%s|%8s|%-8s|%.2s|%*s|%.*s|%c|%%|%zu|%llx|%ld|%jd", "abc",
					  "abc", "abc", "abc", 6, "abc", 1, "abc", 'x', (size_t)77,
					  0xffffffffffffffffULL, -5L, (intmax_t)-6));
	assert_string_equal(ours, theirs);
}

static void cuts_and_terminates(void **state)
{
	const char *volatile nothing = NULL;
	char buf[8] = "zzzzzzz";

	(void)state;
	assert_int_equal(berth_snprintf(buf, 4, "%s", "abcdef"), 6);
	assert_string_equal(buf, "abc");
	assert_int_equal(buf[4], 'z');
	assert_int_equal(berth_snprintf(NULL, 0, "%d", 12345), 5);
	assert_int_equal(berth_snprintf(buf, sizeof(buf), "%s", nothing), 6);
	assert_string_equal(buf, "(null)");
}

static void parses_sizes(void **state)
{
	const char *end;

	(void)state;
	assert_int_equal(berth_memparse("64M", &end), 64 << 20);
	assert_int_equal(*end, 0);
	assert_int_equal(berth_memparse("0x10k rest", &end), 0x10 << 10);
	assert_string_equal(end, " rest");
	assert_int_equal(berth_memparse("1G@2M", &end), 1 << 30);
	assert_string_equal(end, "@2M");
	assert_int_equal(berth_memparse("nonsense", &end), 0);
	assert_string_equal(end, "nonsense");
	assert_int_equal(berth_memparse("0x", &end), 0);
	assert_string_equal(end, "x");
}

static void copies_strings(void **state)
{
	char buf[4];

	(void)state;
	assert_int_equal(berth_strlcpy(buf, "abcdef", sizeof(buf)), 6);
	assert_string_equal(buf, "abc");
	assert_int_equal(berth_strlcpy(buf, "a", sizeof(buf)), 1);
	assert_string_equal(buf, "a");
	assert_int_equal(berth_strlcpy(NULL, "abc", 0), 3);
	assert_int_equal(berth_strnlen("abc", 2), 2);
	assert_int_equal(berth_strnlen("abc", 9), 3);
	assert_true(berth_strcmp("a", "b") < 0 && berth_strcmp("b", "a") > 0);
	assert_true(berth_strcmp("ab", "a") > 0 && berth_strcmp("a", "a") == 0);
}

static void every_reason_has_a_sentence(void **state)
{
	char text[256], fallback[300];

	(void)state;
	for (int reason = 0; reason < BERTH_REASON_COUNT; reason++) {
		struct berth_error *error =
			berth_error_set(-EINVAL, (enum berth_reason)reason, "the-subject");

		assert_true(berth_error_text(error, text, sizeof(text)) > 0);
		snprintf(fallback, sizeof(fallback), "%s: %s", error->subject,
			 berth_error_name(error->code));
		assert_string_not_equal(text, fallback);
		if (reason != BERTH_REASON_NONE && reason != BERTH_REASON_ABI)
			assert_non_null(strstr(text, "the-subject"));
	}
}

static void an_error_is_kept_whole(void **state)
{
	char longest[200];
	const struct berth_error *error = berth_last_error();

	(void)state;
	memset(longest, 'n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	berth_fail_limit(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, longest, 11, 22);
	assert_int_equal(error->code, -ENOMEM);
	assert_int_equal(error->length, 11);
	assert_int_equal(error->limit, 22);
	assert_int_equal(strlen(error->subject), sizeof(error->subject) - 1);
	berth_fail(-EIO, BERTH_REASON_NO_MASK, NULL);
	assert_int_equal(error->length, 0);
	assert_string_equal(error->subject, "");
	berth_clear_error();
	assert_int_equal(error->code, 0);
	assert_string_equal(berth_error_name(-ENOMEM), "ENOMEM");
	assert_string_equal(berth_error_name(EPROBE_DEFER), "EPROBE_DEFER");
	assert_string_equal(berth_error_name(4000), "E?");
}

static void error_pointers_are_apart_from_others(void **state)
{
	int object;

	(void)state;
	assert_true(IS_ERR(ERR_PTR(-ENOMEM)));
	assert_int_equal(PTR_ERR(ERR_PTR(-ENOMEM)), -ENOMEM);
	assert_true(IS_ERR(ERR_PTR(-BERTH_MAX_ERRNO)));
	assert_false(IS_ERR(ERR_PTR(-BERTH_MAX_ERRNO - 1)));
	assert_false(IS_ERR(NULL));
	assert_false(IS_ERR(&object));
}

/* semantics 38: links are skipped, the end mark ends, counts do not include links. */
static void scatterlists_chain(void **state)
{
	struct scatterlist first[4], second[3], *sg;
	int i, seen = 0;

	(void)state;
	sg_init_table(first, 4);
	sg_init_table(second, 3);
	for (i = 0; i < 3; i++)
		sg_set_page(&first[i], NULL, 10, 0);
	sg_chain(first, 4, second);
	for (i = 0; i < 3; i++)
		sg_set_page(&second[i], NULL, 100, 0);
	assert_int_equal(sg_nents(first), 6);
	for_each_sg(first, sg, 6, i) {
		assert_false(sg_is_chain(sg));
		seen += (int)sg->length;
	}
	assert_int_equal(seen, 330);
	assert_null(sg_next(&second[2]));
	assert_ptr_equal(sg_last(first, 6), &second[2]);
	assert_int_equal(sg_nents_for_len(first, 30), 3);
	assert_int_equal(sg_nents_for_len(first, 31), 4);
	assert_int_equal(sg_nents_for_len(first, 0), 0);
	assert_int_equal(sg_nents_for_len(first, 331), -EINVAL);
	assert_int_equal(sg_nents(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_numbers_as_libc_does),
		cmocka_unit_test(prints_the_rest_as_libc_does),
		cmocka_unit_test(cuts_and_terminates),
		cmocka_unit_test(parses_sizes),
		cmocka_unit_test(copies_strings),
		cmocka_unit_test(every_reason_has_a_sentence),
		cmocka_unit_test(an_error_is_kept_whole),
		cmocka_unit_test(error_pointers_are_apart_from_others),
		cmocka_unit_test(scatterlists_chain),
	};

	return cmocka_run_group_tests_name("lib", tests, NULL, NULL);
}
