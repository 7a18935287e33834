// SPDX-License-Identifier: BSD-2-Clause
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf-needs.h"

#if __SIZEOF_POINTER__ == 8
#define OWN_CLASS ELFCLASS64
#else
#define OWN_CLASS ELFCLASS32
#endif
#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#else
#define OWN_MACHINE 0 /* any */
#endif

struct image {
	const uint8_t *bytes;
	size_t size;
	const ElfW(Phdr) * headers;
	unsigned int nr_headers;
};

/* NULL if it is not all in the file, or not aligned. */
static const void *at(const struct image *image, uint64_t offset, uint64_t size)
{
	if (offset > image->size || size > image->size - offset || offset % sizeof(uint32_t))
		return NULL;
	return image->bytes + offset;
}

static const ElfW(Phdr) * header_of(const struct image *image, uint32_t type)
{
	for (unsigned int i = 0; i < image->nr_headers; i++)
		if (image->headers[i].p_type == type)
			return &image->headers[i];
	return NULL;
}

/* Where in the file the bytes of an address are; the file's size if nowhere. */
static uint64_t offset_of(const struct image *image, uint64_t address)
{
	for (unsigned int i = 0; i < image->nr_headers; i++) {
		const ElfW(Phdr) *part = &image->headers[i];

		if (part->p_type == PT_LOAD && address >= part->p_vaddr &&
		    address - part->p_vaddr < part->p_filesz)
			return part->p_offset + (address - part->p_vaddr);
	}
	return image->size;
}

static void add_runtime(const struct image *image, uint64_t offset, char *runtimes, size_t size)
{
	static const char *const known[] = { "libasan.so", "libtsan.so", "liblsan.so",
					     "libclang_rt." };
	const char *name = (const char *)image->bytes + offset;
	size_t used = strlen(runtimes);

	if (offset >= image->size || !memchr(name, '\0', image->size - offset))
		return;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strncmp(name, known[i], strlen(known[i])))
			snprintf(runtimes + used, size - used, "%s%s", used ? " " : "", name);
}

static void read_dynamic(const struct image *image, char *runtimes, size_t size)
{
	const ElfW(Phdr) *header = header_of(image, PT_DYNAMIC);
	const ElfW(Dyn) *dynamic = header ? at(image, header->p_offset, header->p_filesz) : NULL;
	const size_t nr = dynamic ? header->p_filesz / sizeof(*dynamic) : 0;
	uint64_t strings = image->size;

	for (size_t i = 0; i < nr && dynamic[i].d_tag != DT_NULL; i++)
		if (dynamic[i].d_tag == DT_STRTAB)
			strings = offset_of(image, dynamic[i].d_un.d_ptr);
	for (size_t i = 0; i < nr && dynamic[i].d_tag != DT_NULL; i++)
		if (dynamic[i].d_tag == DT_NEEDED && dynamic[i].d_un.d_val < image->size)
			add_runtime(image, strings + dynamic[i].d_un.d_val, runtimes, size);
}

static enum elf_kind look_at(struct image *image, char *runtimes, size_t size)
{
	const ElfW(Ehdr) *elf = at(image, 0, sizeof(*elf));

	if (!elf || memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0)
		return ELF_NONE;
	if (elf->e_ident[EI_CLASS] != OWN_CLASS || (OWN_MACHINE && elf->e_machine != OWN_MACHINE))
		return ELF_FOREIGN;
	image->nr_headers = elf->e_phnum;
	image->headers = at(image, elf->e_phoff, (uint64_t)elf->e_phnum * sizeof(ElfW(Phdr)));
	if (elf->e_phentsize != sizeof(ElfW(Phdr)) || !image->headers)
		return ELF_NONE;
	if (!header_of(image, PT_INTERP))
		return ELF_STATIC;
	read_dynamic(image, runtimes, size);
	return ELF_DYNAMIC;
}

enum elf_kind elf_needs(const char *path, char *runtimes, size_t size)
{
	int fd = *path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	enum elf_kind kind = ELF_NONE;
	struct image image;
	struct stat status;
	void *bytes;

	runtimes[0] = '\0';
	if (fd < 0)
		return ELF_NONE;
	if (!fstat(fd, &status) && S_ISREG(status.st_mode) && status.st_size > 0) {
		bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (bytes != MAP_FAILED) {
			image = (struct image){ .bytes = bytes, .size = (size_t)status.st_size };
			kind = look_at(&image, runtimes, size);
			munmap(bytes, image.size);
		}
	}
	close(fd);
	return kind;
}
