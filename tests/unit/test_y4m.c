// SPDX-License-Identifier: BSD-2-Clause
/* The reader of YUV4MPEG2, mostly with input that it must refuse, and the writer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "y4m.h"

static int open_text(struct y4m_reader *reader, const char *text, size_t size)
{
	FILE *file = fmemopen((void *)(uintptr_t)text, size, "rb");

	assert_non_null(file);
	return y4m_open_stream(reader, file, "x.y4m");
}

static size_t frame_bytes(const char *parameters)
{
	struct y4m_reader reader;
	char text[200];
	int length = snprintf(text, sizeof(text), "YUV4MPEG2 %s\n", parameters);
	size_t bytes;

	if (open_text(&reader, text, (size_t)length))
		return 0;
	bytes = reader.format.frame_bytes;
	y4m_close(&reader);
	return bytes;
}

static void test_sizes(void **state)
{
	static const struct {
		const char *parameters;
		size_t bytes;
	} cases[] = {
		{ "W4 H2", 12 },
		{ "H2 W4 F30:1 Ip A1:1 C420jpeg XYSCSS=420JPEG", 12 },
		{ "W5 H3 C420mpeg2", 15 + 2 * 6 },
		{ "W5 H3 C420paldv", 15 + 2 * 6 },
		{ "W5 H3 C420p10", 2 * (15 + 2 * 6) },
		{ "W5 H3 C420p16", 2 * (15 + 2 * 6) },
		{ "W5 H3 C411", 15 + 2 * 6 },
		{ "W5 H3 C422", 15 + 2 * 9 },
		{ "W5 H3 C422p12", 2 * (15 + 2 * 9) },
		{ "W5 H3 C444", 45 },
		{ "W5 H3 C444p14", 90 },
		{ "W5 H3 C444alpha", 60 },
		{ "W5 H3 Cmono", 15 },
		{ "W5 H3 Cmono9", 30 },
		{ "W5 H3 Cmono12", 30 },
		{ "W1 H1", 3 },
		{ "  W4  H2  ", 12 },
		{ "W4 H2 Im Xanything Z", 12 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (frame_bytes(cases[i].parameters) != cases[i].bytes)
			fail_msg("%s", cases[i].parameters);
}

static void test_bad_parameters(void **state)
{
	static const char *const cases[] = {
		"",
		"W4",
		"H4",
		"W0 H4",
		"W4 H0",
		"W-4 H4",
		"W4x H4",
		"W H4",
		"W65537 H1",
		"W99999999999999999999 H4",
		"W4 H4 F30",
		"W4 H4 F30:",
		"W4 H4 F:1",
		"W4 H4 F30:1x",
		"W4 H4 A1",
		"W4 H4 I",
		"W4 H4 Ipp",
		"W4 H4 Ix",
		"W4 H4 C",
		"W4 H4 C420x",
		"W4 H4 C420p8",
		"W4 H4 C420p17",
		"W4 H4 C420p",
		"W4 H4 C420jpeg10",
		"W4 H4 C444alphap10",
		"W4 H4 Cmonop10",
		"W4 H4 Cmono8",
		"W4 H4 Crgb",
		"W65536 H65536", /* more than the limit of a frame */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (frame_bytes(cases[i]))
			fail_msg("%s", cases[i]);
}

static void assert_refused(const char *text, size_t size, const char *error)
{
	struct y4m_reader reader;

	assert_int_equal(open_text(&reader, text, size), -1);
	assert_string_equal(reader.error, error);
}

static void test_bad_headers(void **state)
{
	char text[1100];

	(void)state;
	assert_refused("YUV4MPEG", 8, "x.y4m: header, byte 8: the file ends in a text line");
	assert_refused("YUV4MPEG3 W1 H1\n", 16, "x.y4m: header, byte 0: not a YUV4MPEG2 file");
	assert_refused("\n", 1, "x.y4m: header, byte 0: not a YUV4MPEG2 file");
	assert_refused("YUV4MPEG2 W4 H4 C420z\n", 22,
		       "x.y4m: header, byte 16: parameter 'C420z' cannot be used");
	assert_refused("YUV4MPEG2 W4\0H4\n", 16,
		       "x.y4m: header, byte 12: a zero byte in a text line");
	memset(text, 'X', sizeof(text));
	assert_refused(text, sizeof(text),
		       "x.y4m: header, byte 1023: a text line of more than 1023 characters");
}

static void test_empty_and_missing(void **state)
{
	struct y4m_reader reader;

	(void)state;
	assert_int_equal(y4m_open(&reader, "/dev/null"), -1);
	assert_string_equal(reader.error, "/dev/null: header, byte 0: the file is empty");
	assert_int_equal(y4m_open(&reader, "/nonexistent.y4m"), -1);
	assert_string_equal(reader.error, "/nonexistent.y4m: No such file or directory");
	assert_int_equal(y4m_open(&reader, "/"), -1);
	assert_string_equal(reader.error, "/: header, byte 0: Is a directory");
}

#define HEADER "YUV4MPEG2 W2 H2 Cmono\n"

static void test_frames(void **state)
{
	static const char stream[] = HEADER "FRAME\nabcdFRAME Itp  X=1\nFRAMFRAME\n\n\n\n\n";
	struct y4m_reader reader;
	char picture[4], text[Y4M_MAX_TEXT + 1];

	(void)state;
	assert_int_equal(open_text(&reader, stream, sizeof(stream) - 1), 0);
	assert_string_equal(reader.format.header, "YUV4MPEG2 W2 H2 Cmono");
	assert_int_equal(y4m_read(&reader, picture, text), 1);
	assert_memory_equal(picture, "abcd", 4);
	assert_string_equal(text, "");
	assert_int_equal(y4m_read(&reader, picture, text), 1);
	assert_memory_equal(picture, "FRAM", 4);
	assert_string_equal(text, " Itp  X=1");
	assert_int_equal(y4m_read(&reader, picture, text), 1);
	assert_memory_equal(picture, "\n\n\n\n", 4);
	assert_int_equal(y4m_read(&reader, picture, text), 0);
	y4m_close(&reader);
}

static void test_bad_frames(void **state)
{
	static const struct {
		const char *frames, *error;
	} cases[] = {
		{ "FRAME\nabc",
		  "frame 0, byte 31: the file ends after 3 of 4 bytes of the picture" },
		{ "FRAME\nabcdFRAME\n",
		  "frame 1, byte 38: the file ends after 0 of 4 bytes of the picture" },
		{ "FRAME\nabcdFRAM", "frame 1, byte 36: the file ends in a text line" },
		{ "FRAME\nabcde", "frame 1, byte 33: the file ends in a text line" },
		{ "FRAME\nabcd\n", "frame 1, byte 32: the word FRAME is missing" },
		{ "FRAMEX\nabcd", "frame 0, byte 22: the word FRAME is missing" },
		{ "frame\nabcd", "frame 0, byte 22: the word FRAME is missing" },
	};
	char stream[200], picture[4], text[Y4M_MAX_TEXT + 1], error[200];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct y4m_reader reader;
		int length = snprintf(stream, sizeof(stream), HEADER "%s", cases[i].frames), ret;

		assert_int_equal(open_text(&reader, stream, (size_t)length), 0);
		while ((ret = y4m_read(&reader, picture, text)) > 0)
			;
		assert_int_equal(ret, -1);
		snprintf(error, sizeof(error), "x.y4m: %s", cases[i].error);
		assert_string_equal(reader.error, error);
		y4m_close(&reader);
	}
}

/* As much text as goes with a frame, and one character more. */
static void test_long_text(void **state)
{
	char stream[400], picture[4], text[Y4M_MAX_TEXT + 1];
	struct y4m_reader reader;

	(void)state;
	for (int extra = 0; extra < 2; extra++) {
		int length = snprintf(stream, sizeof(stream), HEADER "FRAME %0*d\nabcd",
				      Y4M_MAX_TEXT - 1 + extra, 0);

		assert_int_equal(open_text(&reader, stream, (size_t)length), 0);
		assert_int_equal(y4m_read(&reader, picture, text), extra ? -1 : 1);
		if (!extra)
			assert_int_equal(strlen(text), Y4M_MAX_TEXT);
		y4m_close(&reader);
	}
}

static void test_writer(void **state)
{
	char *written = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&written, &size);

	(void)state;
	assert_non_null(file);
	assert_int_equal(y4m_write_header(file, "YUV4MPEG2 W2 H2 Cmono"), 0);
	assert_int_equal(y4m_write_frame(file, "abcd", 4, " Ip"), 0);
	assert_int_equal(y4m_write_frame(file, "efgh", 4, ""), 0);
	fclose(file);
	assert_int_equal(size, strlen(HEADER "FRAME Ip\nabcdFRAME\nefgh"));
	assert_memory_equal(written, HEADER "FRAME Ip\nabcdFRAME\nefgh", size);
	free(written);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),	    cmocka_unit_test(test_bad_parameters),
		cmocka_unit_test(test_bad_headers), cmocka_unit_test(test_empty_and_missing),
		cmocka_unit_test(test_frames),	    cmocka_unit_test(test_bad_frames),
		cmocka_unit_test(test_long_text),   cmocka_unit_test(test_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
