// SPDX-License-Identifier: BSD-2-Clause
/* Writing JSON, with its commas. */
#include <string.h>

#include "check.h"

/* Bytes of the character that begins there; 0: it is no UTF-8. */
static unsigned int utf8(const unsigned char *at)
{
	const unsigned int more = at[0] < 0x80			  ? 0
				  : at[0] >= 0xc2 && at[0] < 0xe0 ? 1
				  : (at[0] & 0xf0) == 0xe0	  ? 2
								  : 9;

	if (more == 9 || (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f))
		return 0;
	for (unsigned int i = 1; i <= more; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return more + 1;
}

static void string(FILE *file, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	putc('"', file);
	while (*at) {
		unsigned int length = utf8(at);

		if (*at == '"' || *at == '\\')
			fprintf(file, "\\%c", *at);
		else if (!length || *at < ' ' || *at == 0x7f)
			fprintf(file, "\\u%04x", *at);
		else
			fwrite(at, 1, length, file);
		at += length ? length : 1;
	}
	putc('"', file);
}

static void begin(struct check_json *json, const char *name)
{
	if (json->depth) {
		fputs(json->is_first ? "\n" : ",\n", json->file);
		for (unsigned int i = 0; i < json->depth; i++)
			fputs("  ", json->file);
	}
	json->is_first = false;
	if (!name)
		return;
	string(json->file, name);
	fputs(": ", json->file);
}

void json_open(struct check_json *json, const char *name, char bracket)
{
	begin(json, name);
	putc(bracket, json->file);
	json->depth++;
	json->is_first = true;
}

void json_close(struct check_json *json, char bracket)
{
	json->depth--;
	if (!json->is_first) {
		putc('\n', json->file);
		for (unsigned int i = 0; i < json->depth; i++)
			fputs("  ", json->file);
	}
	putc(bracket, json->file);
	json->is_first = false;
	if (!json->depth)
		putc('\n', json->file);
}

void json_text(struct check_json *json, const char *name, const char *text)
{
	begin(json, name);
	if (text)
		string(json->file, text);
	else
		fputs("null", json->file);
}

void json_number(struct check_json *json, const char *name, int64_t number)
{
	begin(json, name);
	fprintf(json->file, "%lld", (long long)number);
}

void json_bool(struct check_json *json, const char *name, bool value)
{
	begin(json, name);
	fputs(value ? "true" : "false", json->file);
}

void json_hex(struct check_json *json, const char *name, uint64_t number)
{
	begin(json, name);
	fprintf(json->file, "\"%#llx\"", (unsigned long long)number);
}
