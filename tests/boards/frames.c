/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The main job on bare metal: each frame of a YUV4MPEG2 clip goes from one CMA buffer through edu to
 * another one, by DMA. The clip lies in the RAM that mem= leaves to us, at clip=ADDRESS:BYTES; see
 * tests/boards/frames, which also checks what is printed.
 */
#include <berth/aarch64.h>
#include <berth/berth.h>
#include <berth/cma.h>
#include <berth/dma-mapping.h>

#include <berth/drivers/edu.h>
#include <berth/drivers/host-generic.h>

#define MAX_FRAME (4u << 20)

/* The clip, read byte by byte: it is mapped as device memory. */
struct clip {
	const char __iomem *bytes;
	uint64_t at;
	uint64_t size;
};

static void say(const char *text)
{
	for (; *text; text++)
		berth_port_print(text, 1);
}

static void say_number(uint64_t n)
{
	char digit = (char)('0' + n % 10);

	if (n >= 10)
		say_number(n / 10);
	berth_port_print(&digit, 1);
}

static int fail(const char *why)
{
	char text[160] = "";

	if (berth_last_error()->code)
		berth_error_text(NULL, text, sizeof(text));
	say("failed: ");
	say(why);
	say(text[0] ? ": " : "");
	say(text);
	say("\n");
	return -1;
}

/* A number, decimal or behind 0x; *text is left behind it. */
static uint64_t number(const char **text)
{
	unsigned int base = 10;
	uint64_t n = 0;

	if ((*text)[0] == '0' && (*text)[1] == 'x') {
		base = 16;
		*text += 2;
	}
	for (;; ++*text) {
		unsigned int c = (unsigned char)**text;
		unsigned int digit = c - '0' < 10 ? c - '0' : (c | 0x20) - 'a' + 10;

		if (digit >= base)
			return n;
		n = n * base + digit;
	}
}

/* The range that the boot arguments name. */
static bool find_clip(struct berth_range *range)
{
	const struct device_node *chosen = of_find_node_by_path("/chosen");
	const char *args;

	if (!chosen || of_property_read_string(chosen, "bootargs", &args))
		return false;
	for (; *args; args++) {
		if (args[0] == 'c' && args[1] == 'l' && args[2] == 'i' && args[3] == 'p' &&
		    args[4] == '=') {
			args += 5;
			range->base = number(&args);
			range->size = *args++ == ':' ? number(&args) : 0;
			return range->size != 0;
		}
	}
	return false;
}

static int next_byte(struct clip *clip)
{
	return clip->at < clip->size ? readb(clip->bytes + clip->at++) : -1;
}

/* A line of the clip without its end, cut if too long; false at the clip's end. */
static bool next_line(struct clip *clip, char *line, size_t size)
{
	size_t length = 0;
	int c;

	while ((c = next_byte(clip)) >= 0 && c != '\n')
		if (length < size - 1)
			line[length++] = (char)c;
	line[length] = '\0';
	return c == '\n';
}

static bool starts_with(const char *line, const char *start)
{
	while (*start && *line == *start)
		line++, start++;
	return !*start;
}

/* Bytes of a 4:2:0 frame from the clip's first line; 0 if that is not one. */
static uint64_t frame_bytes(const char *line)
{
	uint64_t width = 0, height = 0;

	if (!starts_with(line, "YUV4MPEG2 "))
		return 0;
	for (; *line; line++) {
		if (*line != ' ')
			continue;
		if (line[1] == 'C' && !starts_with(line + 1, "C420"))
			return 0;
		if (line[1] == 'W' || line[1] == 'H') {
			uint64_t *value = line[1] == 'W' ? &width : &height;

			line += 2;
			*value = number(&line);
			line--;
		}
	}
	if (!width || !height || width > 4096 || height > 4096)
		return 0;
	return width * height + 2 * ((width + 1) / 2) * ((height + 1) / 2);
}

/* One frame's way; true if what arrives is what the clip has. */
static bool carry(struct pci_dev *edu, struct clip *clip, uint8_t *from, uint8_t *to, uint64_t size)
{
	uint64_t start = clip->at;

	for (uint64_t i = 0; i < size; i++) {
		from[i] = (uint8_t)next_byte(clip);
		to[i] = (uint8_t)~from[i];
	}
	if (berth_edu_copy(edu, to, from, size)) {
		fail("DMA");
		return false;
	}
	clip->at = start;
	for (uint64_t i = 0; i < size; i++)
		if (to[i] != next_byte(clip))
			return fail("the frame has changed on its way") == 0;
	return true;
}

/* All frames. Return: how many, or -1. */
static int run(struct pci_dev *edu, struct clip *clip, uint64_t size)
{
	unsigned long count = PAGE_ALIGN(size) >> PAGE_SHIFT;
	struct cma *cma = berth_cma_default();
	struct page *from, *to;
	char line[160];
	int frames = 0;

	from = cma ? cma_alloc(cma, count, 0, false) : NULL;
	to = from ? cma_alloc(cma, count, 0, false) : NULL;
	if (!to)
		frames = fail("no CMA buffer");
	while (frames >= 0 && next_line(clip, line, sizeof(line))) {
		if (!starts_with(line, "FRAME") || clip->size - clip->at < size)
			frames = fail("the clip is damaged");
		else if (carry(edu, clip, page_address(from), page_address(to), size))
			frames++;
		else
			frames = -1;
	}
	if (to)
		cma_release(cma, to, count);
	if (from)
		cma_release(cma, from, count);
	return frames;
}

static int open_and_run(struct pci_dev *edu)
{
	struct clip clip = { 0 };
	struct berth_range range;
	void __iomem *cookie;
	int frames = -1;
	uint64_t size;
	char line[160];

	if (!find_clip(&range))
		return fail("no clip=ADDRESS:BYTES in the boot arguments");
	cookie = ioremap(range.base, range.size);
	if (!cookie)
		return fail("the clip cannot be mapped");
	clip.bytes = cookie;
	clip.size = range.size;
	size = next_line(&clip, line, sizeof(line)) ? frame_bytes(line) : 0;
	if (size && size <= MAX_FRAME)
		frames = run(edu, &clip, size);
	else
		fail("not a clip with 4:2:0 frames");
	iounmap(cookie);
	return frames;
}

int main(void)
{
	static const struct berth_driver drivers[] = {
		BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
		BERTH_PCI_DRIVER(&berth_edu_driver),
		BERTH_NO_MORE_DRIVERS,
	};
	struct pci_dev *edu;
	int frames = -1;

	if (berth_start(NULL, drivers, NULL)) {
		fail("berth_start");
		return 1;
	}
	edu = pci_get_device(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, NULL);
	if (!edu || !pci_get_drvdata(edu) || berth_edu_set_dma_bits(edu, 64)) {
		fail("no edu");
	} else {
		berth_clear_error();
		frames = open_and_run(edu);
	}
	if (berth_stop())
		frames = fail("berth_stop");
	if (frames <= 0)
		return 1;
	say("identical: ");
	say_number((uint64_t)frames);
	say(" frames\n");
	return 0;
}
