// SPDX-License-Identifier: BSD-2-Clause
/* YUV4MPEG2: one line of parameters, then for each frame a line "FRAME..." and the planes. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "y4m.h"

static const char magic[] = "YUV4MPEG2";
static const char frame_word[] = "FRAME";

/* A colour space: how much smaller than luma a chroma plane is, and how many further planes. */
struct colour_space {
	const char *name;
	unsigned int x_shift, y_shift;
	unsigned int planes;
};

static const struct colour_space colour_spaces[] = {
	{ "420", 1, 1, 2 },	 { "420jpeg", 1, 1, 2 },  { "420mpeg2", 1, 1, 2 },
	{ "420paldv", 1, 1, 2 }, { "411", 2, 0, 2 },	  { "422", 1, 0, 2 },
	{ "444", 0, 0, 2 },	 { "444alpha", 0, 0, 3 }, { "mono", 0, 0, 0 },
};

static int fail(struct y4m_reader *reader, uint64_t offset, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct y4m_reader *reader, uint64_t offset, const char *format, ...)
{
	char what[128];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (!reader->format.frame_bytes)
		snprintf(reader->error, sizeof(reader->error), "%.100s: header, byte %llu: %s",
			 reader->name, (unsigned long long)offset, what);
	else
		snprintf(reader->error, sizeof(reader->error), "%.100s: frame %llu, byte %llu: %s",
			 reader->name, (unsigned long long)reader->frame,
			 (unsigned long long)offset, what);
	return -1;
}

static int fail_read(struct y4m_reader *reader, const char *what)
{
	if (ferror(reader->file))
		return fail(reader, reader->offset, "%s", strerror(errno));
	return fail(reader, reader->offset, "%s", what);
}

/* Read up to a newline, which is not stored. Bytes, or -1; -2 at the end of the file. */
static int read_line(struct y4m_reader *reader, char *line, size_t size)
{
	size_t length = 0;
	int c;

	errno = 0;
	while ((c = getc_unlocked(reader->file)) != EOF) {
		reader->offset++;
		if (c == '\n') {
			line[length] = '\0';
			return (int)length;
		}
		if (!c)
			return fail(reader, reader->offset - 1, "a zero byte in a text line");
		if (length + 1 == size)
			return fail(reader, reader->offset - 1,
				    "a text line of more than %zu characters", size - 1);
		line[length++] = (char)c;
	}
	if (!length && !ferror(reader->file))
		return -2;
	return fail_read(reader, "the file ends in a text line");
}

static bool parse_number(const char *text, const char *end, uint32_t *value)
{
	uint64_t n = 0;

	if (text == end)
		return false;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return false;
		n = n * 10 + (unsigned int)(*text - '0');
		if (n > UINT32_MAX)
			return false;
	}
	*value = (uint32_t)n;
	return true;
}

static bool parse_ratio(const char *text, const char *end, uint32_t *over, uint32_t *under)
{
	const char *colon = memchr(text, ':', (size_t)(end - text));

	return colon && parse_number(text, colon, over) && parse_number(colon + 1, end, under);
}

/* "420p10" and the like: the part before the p, and two bytes a sample. */
static const struct colour_space *find_colour_space(const char *name, size_t length,
						    unsigned int *sample_bytes)
{
	uint32_t depth;

	*sample_bytes = 1;
	for (size_t i = 0; i < sizeof(colour_spaces) / sizeof(colour_spaces[0]); i++) {
		const struct colour_space *space = &colour_spaces[i];
		size_t n = strlen(space->name);

		if (length < n || memcmp(name, space->name, n))
			continue;
		if (length == n)
			return space;
		/* mono12, but 420p12 */
		if (name[n] == 'p' && space->planes == 2)
			n++;
		else if (space->planes)
			continue;
		if (parse_number(name + n, name + length, &depth) && depth > 8 && depth <= 16) {
			*sample_bytes = 2;
			return space;
		}
	}
	return NULL;
}

static uint64_t frame_size(const struct y4m_format *format, const struct colour_space *space,
			   unsigned int sample_bytes)
{
	uint64_t w = format->width, h = format->height;
	uint64_t cw = (w + (1u << space->x_shift) - 1) >> space->x_shift;
	uint64_t ch = (h + (1u << space->y_shift) - 1) >> space->y_shift;

	return (w * h + cw * ch * space->planes) * sample_bytes;
}

/* One parameter of the header; those that do not matter to the size are only looked at. */
static bool parse_parameter(struct y4m_format *format, const char *at, const char *end,
			    const struct colour_space **space, unsigned int *sample_bytes)
{
	uint32_t n, d;

	switch (*at++) {
	case 'W':
		return parse_number(at, end, &format->width) && format->width &&
		       format->width <= 65536;
	case 'H':
		return parse_number(at, end, &format->height) && format->height &&
		       format->height <= 65536;
	case 'F':
		return parse_ratio(at, end, &format->rate, &format->rate_scale);
	case 'A':
		return parse_ratio(at, end, &n, &d);
	case 'I':
		return end == at + 1 && strchr("?ptbm", *at);
	case 'C':
		*space = find_colour_space(at, (size_t)(end - at), sample_bytes);
		return *space;
	default:
		return true;
	}
}

static int read_header(struct y4m_reader *reader)
{
	struct y4m_format *format = &reader->format;
	const struct colour_space *space = &colour_spaces[0];
	unsigned int sample_bytes = 1;
	const char *at, *end;
	uint64_t size;
	int length = read_line(reader, format->header, sizeof(format->header));

	if (length == -2)
		return fail(reader, 0, "the file is empty");
	if (length < 0)
		return -1;
	at = format->header + strlen(magic);
	if (strncmp(format->header, magic, strlen(magic)) || (*at && *at != ' '))
		return fail(reader, 0, "not a YUV4MPEG2 file");
	for (; *at; at = end) {
		at += strspn(at, " ");
		end = at + strcspn(at, " ");
		if (at < end && !parse_parameter(format, at, end, &space, &sample_bytes))
			return fail(reader, (uint64_t)(at - format->header),
				    "parameter '%.*s' cannot be used",
				    (int)(end - at < 40 ? end - at : 40), at);
	}
	if (!format->width || !format->height)
		return fail(reader, 0, "the %s is missing", format->width ? "height" : "width");
	size = frame_size(format, space, sample_bytes);
	if (size > Y4M_MAX_FRAME_BYTES)
		return fail(reader, 0, "frames of %llu bytes; the limit is %u",
			    (unsigned long long)size, Y4M_MAX_FRAME_BYTES);
	format->frame_bytes = (size_t)size;
	return 0;
}

int y4m_open_stream(struct y4m_reader *reader, FILE *file, const char *name)
{
	*reader = (struct y4m_reader){ .file = file, .name = name };
	if (!read_header(reader))
		return 0;
	y4m_close(reader);
	return -1;
}

int y4m_open(struct y4m_reader *reader, const char *path)
{
	FILE *file;

	if (!strcmp(path, "-"))
		return y4m_open_stream(reader, stdin, "standard input");
	file = fopen(path, "rb");
	if (file)
		return y4m_open_stream(reader, file, path);
	*reader = (struct y4m_reader){ .name = path };
	snprintf(reader->error, sizeof(reader->error), "%.150s: %s", path, strerror(errno));
	return -1;
}

int y4m_read(struct y4m_reader *reader, void *picture, char *text)
{
	char line[sizeof(frame_word) + Y4M_MAX_TEXT];
	uint64_t start = reader->offset;
	int length = read_line(reader, line, sizeof(line));
	size_t got;

	if (length == -2)
		return 0;
	if (length < 0)
		return -1;
	if (strncmp(line, frame_word, strlen(frame_word)) ||
	    (line[strlen(frame_word)] && line[strlen(frame_word)] != ' '))
		return fail(reader, start, "the word FRAME is missing");
	strcpy(text, line + strlen(frame_word));
	got = fread(picture, 1, reader->format.frame_bytes, reader->file);
	reader->offset += got;
	if (got < reader->format.frame_bytes) {
		char what[128];

		snprintf(what, sizeof(what), "the file ends after %zu of %zu bytes of the picture",
			 got, reader->format.frame_bytes);
		return fail_read(reader, what);
	}
	reader->frame++;
	return 1;
}

void y4m_close(struct y4m_reader *reader)
{
	if (reader->file && reader->file != stdin)
		fclose(reader->file);
	reader->file = NULL;
}

int y4m_write_header(FILE *file, const char *header)
{
	return fprintf(file, "%s\n", header) < 0 ? -1 : 0;
}

int y4m_write_frame(FILE *file, const void *picture, size_t size, const char *text)
{
	if (fprintf(file, "%s%s\n", frame_word, text) < 0)
		return -1;
	return fwrite(picture, 1, size, file) == size ? 0 : -1;
}
