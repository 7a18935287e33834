// SPDX-License-Identifier: BSD-2-Clause
/* What the program's file tells before anything of it is run. */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#elif defined(__riscv)
#define OWN_MACHINE EM_RISCV
#else
#define OWN_MACHINE EM_ARM
#endif
#define OWN_CLASS (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)

struct facts {
	bool has_dynamic, is_program, needs_berth, needs_check, needs_asan;
	bool has_entry, calls_checked, calls_maps, has_accesses, has_check_inside;
};

static bool starts(const char *text, const char *with)
{
	return text && !strncmp(text, with, strlen(with));
}

static void look_at_dynamic(Elf *elf, Elf_Scn *section, const GElf_Shdr *header,
			    struct facts *facts)
{
	Elf_Data *data = elf_getdata(section, NULL);
	GElf_Dyn entry;

	facts->has_dynamic = true;
	for (int i = 0; data && gelf_getdyn(data, i, &entry) && entry.d_tag != DT_NULL; i++) {
		const char *name = entry.d_tag == DT_NEEDED
					   ? elf_strptr(elf, header->sh_link, entry.d_un.d_val)
					   : NULL;

		if (entry.d_tag == DT_FLAGS_1 && entry.d_un.d_val & DF_1_PIE)
			facts->is_program = true;
		facts->needs_berth |= starts(name, "libberth.so");
		facts->needs_check |= starts(name, "libberth-check.so");
		facts->needs_asan |= starts(name, "libasan.so") || starts(name, "libclang_rt.asan");
	}
}

static void look_at_symbols(Elf *elf, Elf_Scn *section, const GElf_Shdr *header,
			    struct facts *facts)
{
	Elf_Data *data = elf_getdata(section, NULL);
	GElf_Sym symbol;

	for (int i = 0; data && gelf_getsym(data, i, &symbol); i++) {
		const char *name = elf_strptr(elf, header->sh_link, symbol.st_name);
		const bool is_here = symbol.st_shndx != SHN_UNDEF;

		facts->has_entry |= is_here && name && !strcmp(name, "berth_test_program");
		facts->has_check_inside |= is_here && name && !strcmp(name, "berth_check_run_abi");
		facts->calls_checked |= !is_here && starts(name, "berth_checked_");
		facts->calls_maps |= !is_here && starts(name, "berth_dma_map_");
		facts->has_accesses |=
			!is_here && (starts(name, "__asan_load") || starts(name, "__asan_store"));
	}
}

static void look(Elf *elf, struct facts *facts)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section))) {
		if (!gelf_getshdr(section, &header))
			continue;
		if (header.sh_type == SHT_DYNAMIC)
			look_at_dynamic(elf, section, &header, facts);
		else if (header.sh_type == SHT_DYNSYM)
			look_at_symbols(elf, section, &header, facts);
	}
}

/* Why it cannot be run; NULL: it can. */
static const char *judge(Elf *elf, struct facts *facts, const char **warning)
{
	GElf_Ehdr header;

	if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &header))
		return "is no ELF file: a driver and its test as a shared object are wanted";
	if (header.e_ident[EI_CLASS] != OWN_CLASS || header.e_machine != OWN_MACHINE)
		return "is for another processor";
	if (header.e_type == ET_REL)
		return "is an object file: link it with -shared";
	if (header.e_type != ET_DYN)
		return "is no shared object: link it with -shared";
	look(elf, facts);
	if (facts->is_program)
		return "is a program: link it with -shared";
	if (!facts->has_dynamic)
		return "is damaged, or no shared object";
	if (!facts->has_entry)
		return "has no entry point: BERTH_TEST_PROGRAM() of berth/test.h is missing";
	if (facts->needs_asan)
		return "is built with the address sanitizer, which takes the checker's place: build it with "
		       "-fsanitize=kernel-address";
	if (facts->needs_berth)
		return "is linked with libberth, which has no checker: link it with libberth-check "
		       "(pkg-config berth-check)";
	if (!facts->needs_check && !facts->has_check_inside)
		return "is not linked with libberth-check: see pkg-config berth-check";
	if (!facts->has_accesses)
		*warning =
			"its loads and stores are not seen: it is built without -fsanitize=kernel-address and what "
			"goes with it (pkg-config --cflags berth-check)";
	return NULL;
}

int check_look_at_file(const char *path, char *error, size_t size, char *warning,
		       size_t warning_size)
{
	const int file = open(path, O_RDONLY | O_CLOEXEC);
	const char *why, *found = "";
	struct facts facts = { 0 };
	struct stat status;
	Elf *elf;

	if (file < 0 || fstat(file, &status)) {
		snprintf(error, size, "%s", strerror(errno));
		if (file >= 0)
			close(file);
		return -1;
	}
	if (!S_ISREG(status.st_mode)) {
		snprintf(error, size, "is %s", S_ISDIR(status.st_mode) ? "a directory" : "no file");
		close(file);
		return -1;
	}
	elf_version(EV_CURRENT);
	elf = elf_begin(file, ELF_C_READ, NULL);
	why = elf ? judge(elf, &facts, &found) : "is no ELF file";
	elf_end(elf);
	close(file);
	snprintf(error, size, "%s", why ? why : "");
	snprintf(warning, warning_size, "%s", found);
	return why ? -1 : 0;
}
