/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/port.h>

#include "lib/printk.h"
#include "lib/string.h"

/* Where the text goes; @length counts on when the buffer is full. */
struct sink {
	char *buf;
	size_t size;
	size_t length;
};

struct spec {
	bool left, zero, alternate;
	int width, precision; /* precision -1: none */
	int size; /* -2 hh, -1 h, 0 int, 1 l, 2 ll, 3 z or t, 4 j */
};

static void put(struct sink *sink, char c)
{
	if (sink->length + 1 < sink->size)
		sink->buf[sink->length] = c;
	sink->length++;
}

static void pad(struct sink *sink, char c, int n)
{
	while (n-- > 0)
		put(sink, c);
}

static void put_field(struct sink *sink, const struct spec *spec, const char *text, int length)
{
	if (!spec->left)
		pad(sink, ' ', spec->width - length);
	for (int i = 0; i < length; i++)
		put(sink, text[i]);
	if (spec->left)
		pad(sink, ' ', spec->width - length);
}

static void put_number(struct sink *sink, const struct spec *spec, uint64_t value, unsigned base,
		       bool upper, const char *sign)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	const char *prefix = spec->alternate && base == 16 && value ? (upper ? "0X" : "0x") : "";
	char text[24];
	int n = 0, zeroes = 0, fixed;

	while (value) {
		text[n++] = digits[value % base];
		value /= base;
	}
	if (!n && spec->precision != 0)
		text[n++] = '0';
	fixed = (int)berth_strlen(sign) + (int)berth_strlen(prefix);
	if (spec->precision > n)
		zeroes = spec->precision - n;
	else if (spec->precision < 0 && spec->zero && !spec->left && spec->width > fixed + n)
		zeroes = spec->width - fixed - n;
	if (!spec->left)
		pad(sink, ' ', spec->width - fixed - zeroes - n);
	while (*sign)
		put(sink, *sign++);
	while (*prefix)
		put(sink, *prefix++);
	pad(sink, '0', zeroes);
	for (int i = n; i > 0; i--)
		put(sink, text[i - 1]);
	if (spec->left)
		pad(sink, ' ', spec->width - fixed - zeroes - n);
}

static int64_t cut_signed(int64_t value, int size)
{
	switch (size) {
	case -2:
		return (int8_t)value;
	case -1:
		return (int16_t)value;
	case 0:
		return (int32_t)value;
	default:
		return value;
	}
}

static uint64_t cut_unsigned(uint64_t value, int size)
{
	switch (size) {
	case -2:
		return (uint8_t)value;
	case -1:
		return (uint16_t)value;
	case 0:
		return (uint32_t)value;
	default:
		return value;
	}
}

/* One wrapper, since a va_list may be an array and then has no address to hand on. */
struct arguments {
	va_list list;
};

static int64_t next_signed(struct arguments *args, int size)
{
	switch (size) {
	case 1:
		return va_arg(args->list, long);
	case 2:
		return va_arg(args->list, long long);
	case 3:
		return va_arg(args->list, ptrdiff_t);
	case 4:
		return va_arg(args->list, intmax_t);
	default:
		return cut_signed(va_arg(args->list, int), size);
	}
}

static uint64_t next_unsigned(struct arguments *args, int size)
{
	switch (size) {
	case 1:
		return va_arg(args->list, unsigned long);
	case 2:
		return va_arg(args->list, unsigned long long);
	case 3:
		return va_arg(args->list, size_t);
	case 4:
		return va_arg(args->list, uintmax_t);
	default:
		return cut_unsigned(va_arg(args->list, unsigned int), size);
	}
}

static const char *parse_number(const char *f, int *value, struct arguments *args)
{
	*value = 0;
	if (*f == '*') {
		*value = va_arg(args->list, int);
		return f + 1;
	}
	for (; *f >= '0' && *f <= '9'; f++)
		*value = *value * 10 + (*f - '0');
	return f;
}

static const char *parse_spec(const char *f, struct spec *spec, struct arguments *args)
{
	*spec = (struct spec){ .precision = -1 };
	for (;; f++) {
		if (*f == '-')
			spec->left = true;
		else if (*f == '0')
			spec->zero = true;
		else if (*f == '#')
			spec->alternate = true;
		else
			break;
	}
	f = parse_number(f, &spec->width, args);
	if (spec->width < 0) {
		spec->left = true;
		spec->width = -spec->width;
	}
	if (*f == '.')
		f = parse_number(f + 1, &spec->precision, args);
	for (; *f == 'h'; f++)
		spec->size--;
	for (; *f == 'l'; f++)
		spec->size++;
	if (*f == 'z' || *f == 't' || *f == 'j')
		spec->size = *f++ == 'j' ? 4 : 3;
	return f;
}

static void put_string(struct sink *sink, const struct spec *spec, const char *s)
{
	if (!s)
		s = "(null)";
	put_field(sink, spec, s,
		  (int)(spec->precision < 0 ? berth_strlen(s)
					    : berth_strnlen(s, (size_t)spec->precision)));
}

static void put_conversion(struct sink *sink, struct spec *spec, char conversion,
			   struct arguments *args)
{
	int64_t value;
	char c;

	switch (conversion) {
	case 'd':
	case 'i':
		value = next_signed(args, spec->size);
		put_number(sink, spec, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, false,
			   value < 0 ? "-" : "");
		break;
	case 'u':
		put_number(sink, spec, next_unsigned(args, spec->size), 10, false, "");
		break;
	case 'x':
	case 'X':
		put_number(sink, spec, next_unsigned(args, spec->size), 16, conversion == 'X', "");
		break;
	case 'p':
		spec->alternate = true;
		put_number(sink, spec, (uintptr_t)va_arg(args->list, void *), 16, false, "");
		break;
	case 'c':
		c = (char)va_arg(args->list, int);
		put_field(sink, spec, &c, 1);
		break;
	case 's':
		put_string(sink, spec, va_arg(args->list, const char *));
		break;
	default:
		put(sink, conversion);
		break;
	}
}

int berth_vsnprintf(char *buf, size_t size, const char *format, va_list args)
{
	struct sink sink = { buf, size, 0 };
	struct arguments copy;

	va_copy(copy.list, args);
	for (const char *f = format; *f; f++) {
		struct spec spec;

		if (*f != '%') {
			put(&sink, *f);
			continue;
		}
		f = parse_spec(f + 1, &spec, &copy);
		if (!*f)
			break;
		put_conversion(&sink, &spec, *f, &copy);
	}
	va_end(copy.list);
	if (size)
		buf[sink.length < size ? sink.length : size - 1] = '\0';
	return (int)sink.length;
}

int berth_snprintf(char *buf, size_t size, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = berth_vsnprintf(buf, size, format, args);
	va_end(args);
	return length;
}

void berth_printk(const char *format, ...)
{
	char line[240];
	va_list args;
	int length;

	va_start(args, format);
	length = berth_vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	berth_port_print(line, (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1);
}
