// SPDX-License-Identifier: BSD-2-Clause
/* Addresses as lines of source, functions that were inlined included. A file without debug information gives what it has. */
#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

struct module {
	struct module *next;
	const char *path;
	Dwfl *dwfl;
	Dwfl_Module *dwfl_module;
	GElf_Addr bias;
};

static struct module *modules;

/* Only debug information that is on this machine. */
static char *no_path;
static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
	.section_address = dwfl_offline_section_address,
	.debuginfo_path = &no_path,
};

static struct module *open_module(const char *path)
{
	struct module *module = modules;

	while (module && strcmp(module->path, path) != 0)
		module = module->next;
	if (module)
		return module;
	module = calloc(1, sizeof(*module));
	if (!module)
		return NULL;
	module->path = path;
	module->next = modules;
	modules = module;
	module->dwfl = dwfl_begin(&callbacks);
	if (!module->dwfl)
		return module;
	dwfl_report_begin(module->dwfl);
	module->dwfl_module = dwfl_report_offline(module->dwfl, path, path, -1);
	dwfl_report_end(module->dwfl, NULL, NULL);
	if (module->dwfl_module && !dwfl_module_getelf(module->dwfl_module, &module->bias))
		module->dwfl_module = NULL;
	return module;
}

void check_symbols_end(void)
{
	while (modules) {
		struct module *next = modules->next;

		dwfl_end(modules->dwfl);
		free(modules);
		modules = next;
	}
}

/* A name as the compiler was told it, from the folder in which it was run. */
static char *full_name(Dwarf_Die *unit, const char *file)
{
	Dwarf_Attribute attribute;
	const char *folder = NULL;
	char *name = NULL;

	if (!file)
		return NULL;
	if (unit && *file != '/')
		folder = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));
	if (!folder)
		return strdup(file);
	return asprintf(&name, "%s/%s", folder, file) < 0 ? NULL : name;
}

static struct check_line *add_line(struct check_lines *lines, const char *function, char *file,
				   unsigned int line)
{
	struct check_line *grown = realloc(lines->line, (lines->nr + 1) * sizeof(*grown)), *added;

	if (!grown) {
		free(file);
		return NULL;
	}
	lines->line = grown;
	added = &grown[lines->nr++];
	*added = (struct check_line){ .line = line, .file = file };
	added->function = function ? strdup(function) : NULL;
	return added;
}

/* Files of a unit by their numbers, for where an inlined function was called. */
static const char *file_of(Dwarf_Die *unit, Dwarf_Word number)
{
	Dwarf_Files *files;
	size_t nr;

	if (dwarf_getsrcfiles(unit, &files, &nr) || number >= nr)
		return NULL;
	return dwarf_filesrc(files, number, NULL, NULL);
}

static Dwarf_Word attribute(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value = 0;

	if (dwarf_attr(die, name, &attribute))
		dwarf_formudata(&attribute, &value);
	return value;
}

/* Not every compiler writes a table of which unit has which addresses. */
static Dwarf_Die *find_unit(struct module *module, Dwarf_Addr at, Dwarf_Addr *bias)
{
	Dwarf_Die *unit = dwfl_module_addrdie(module->dwfl_module, at, bias);

	if (unit)
		return unit;
	while ((unit = dwfl_module_nextcu(module->dwfl_module, unit, bias)))
		if (dwarf_haspc(unit, at - *bias) > 0)
			return unit;
	return NULL;
}

/* The function, and those that it was inlined into. False: nothing is known of it. */
static bool add_functions(struct module *module, Dwarf_Addr at, struct check_lines *lines)
{
	Dwarf_Addr bias = 0;
	Dwarf_Die *unit = find_unit(module, at, &bias), *scopes = NULL, *outer = NULL;
	Dwarf_Line *where = unit ? dwarf_getsrc_die(unit, at - bias) : NULL;
	const char *file = where ? dwarf_linesrc(where, NULL, NULL) : NULL;
	int line = 0, nr = unit ? dwarf_getscopes(unit, at - bias, &scopes) : 0;
	bool is_done = false;

	if (where)
		dwarf_lineno(where, &line);
	nr = nr > 0 ? dwarf_getscopes_die(&scopes[0], &outer) : 0;
	for (int i = 0; i < nr && !is_done; i++) {
		const int tag = dwarf_tag(&outer[i]);

		if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram)
			continue;
		add_line(lines, dwarf_diename(&outer[i]), full_name(unit, file),
			 (unsigned int)line);
		is_done = tag == DW_TAG_subprogram;
		file = file_of(unit, attribute(&outer[i], DW_AT_call_file));
		line = (int)attribute(&outer[i], DW_AT_call_line);
	}
	free(scopes);
	free(outer);
	return is_done;
}

/* Which files are not the program's: the checker, the command and the system's. */
static bool is_program(const struct check_results *results, const char *path)
{
	static const char *const other[] = { "libberth-check.so", "libc.so",	 "libm.so",
					     "libpthread.so",	  "libgcc_s.so", "libdl.so",
					     "ld-linux",	  "linux-vdso" };
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		if (!strncmp(name, other[i], strlen(other[i])))
			return false;
	return !results->command || strcmp(path, results->command) != 0;
}

/* What is the library's, where it is linked into the program. */
static bool is_library(const char *function)
{
	return function && (!strncmp(function, "berth_", 6) || !strncmp(function, "__asan_", 7));
}

static void add_frame(const struct check_results *results, const struct check_address *frame,
		      bool is_exact, struct check_lines *lines)
{
	const char *path = frame->module < CHECK_NO_MODULE ? results->modules[frame->module] : NULL;
	struct module *module = path ? open_module(path) : NULL;
	const unsigned int first = lines->nr;
	const uint64_t offset = frame->offset - (is_exact || !frame->offset ? 0 : 1);
	Dwarf_Addr at;

	if (module && module->dwfl_module) {
		at = offset + module->bias;
		if (!add_functions(module, at, lines) && lines->nr == first)
			add_line(lines, dwfl_module_addrname(module->dwfl_module, at), NULL, 0);
	}
	if (lines->nr == first)
		add_line(lines, NULL, NULL, 0);
	for (unsigned int i = first; i < lines->nr; i++) {
		lines->line[i].module = path;
		lines->line[i].offset = offset;
		lines->line[i].is_program = path && is_program(results, path) &&
					    !is_library(lines->line[i].function);
	}
}

/* What is below the last line of the program's is the checker's, and the same each time. */
static void cut(struct check_lines *lines)
{
	unsigned int last = lines->nr;

	while (last && !lines->line[last - 1].is_program)
		last--;
	while (last && lines->nr > last) {
		struct check_line *line = &lines->line[--lines->nr];

		free(line->function);
		free(line->file);
	}
	lines->at = 0;
	while (lines->at < lines->nr && !lines->line[lines->at].is_program)
		lines->at++;
}

int check_find_lines(const struct check_results *results, const struct check_stack *stack,
		     struct check_lines *lines)
{
	*lines = (struct check_lines){ 0 };
	for (unsigned int i = 0; i < stack->nr; i++)
		add_frame(results, &stack->frame[i], !i && stack->is_exact, lines);
	cut(lines);
	return 0;
}

void check_free_lines(struct check_lines *lines)
{
	for (unsigned int i = 0; i < lines->nr; i++) {
		free(lines->line[i].function);
		free(lines->line[i].file);
	}
	free(lines->line);
	*lines = (struct check_lines){ 0 };
}
