// SPDX-License-Identifier: BSD-2-Clause
/* The machine of a seed. */
#include <stdio.h>

#include <berth/check-run.h>

/* Far from each other: few seeds meet each kind of machine. What is not said comes by chance. */
static const struct berth_check_machine first[] = {
	{ .line_size = 64, .cache = BERTH_MODEL_CACHE_ADVERSARIAL },
	{ .line_size = 64, .is_coherent = true },
	{ .line_size = 128, .cache = BERTH_MODEL_CACHE_ADVERSARIAL, .bounces = true },
	{ .line_size = 32, .has_iommu = true, .protection = BERTH_PROTECT_STRICT },
	{ .line_size = 128, .write_back_permille = 900, .refill_permille = 900 },
	{ .line_size = 64,
	  .is_coherent = true,
	  .has_iommu = true,
	  .protection = BERTH_PROTECT_SHADOW },
	{ .line_size = 32,
	  .cache = BERTH_MODEL_CACHE_ADVERSARIAL,
	  .has_iommu = true,
	  .protection = BERTH_PROTECT_LAZY },
	{ .line_size = 64, .is_coherent = true, .bounces = true },
	{ .line_size = 128, .cache = BERTH_MODEL_CACHE_ADVERSARIAL, .no_fresh_pattern = true },
	{ .line_size = 64,
	  .cache = BERTH_MODEL_CACHE_QUIET,
	  .has_iommu = true,
	  .protection = BERTH_PROTECT_PASSTHROUGH },
};
#define NR_FIRST (sizeof(first) / sizeof(first[0]))

/* splitmix64 */
static uint64_t draw(uint64_t *state)
{
	uint64_t value = *state += 0x9e3779b97f4a7c15u;

	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
	value = (value ^ value >> 27) * 0x94d049bb133111ebu;
	return value ^ value >> 31;
}

static unsigned int below(uint64_t *state, unsigned int bound)
{
	return (unsigned int)(draw(state) % bound);
}

void berth_check_machine(uint64_t seed, struct berth_check_machine *machine)
{
	static const unsigned int lines[] = { 32, 64, 128 };
	static const unsigned int chances[] = { 0, 0, 30, 500, 900 };
	uint64_t state = seed;
	unsigned int way;

	if (seed && seed <= NR_FIRST) {
		*machine = first[seed - 1];
		machine->seed = seed;
		return;
	}
	*machine = (struct berth_check_machine){ .seed = seed };
	machine->line_size = lines[below(&state, 3)];
	machine->cache = below(&state, 2) ? BERTH_MODEL_CACHE_ADVERSARIAL
					  : BERTH_MODEL_CACHE_RANDOM;
	machine->write_back_permille = chances[below(&state, 5)];
	machine->refill_permille = chances[below(&state, 5)];
	machine->follow_permille = chances[below(&state, 5)];
	machine->is_coherent = !below(&state, 4);
	machine->no_fresh_pattern = !below(&state, 8);
	way = below(&state, 6);
	machine->bounces = way == 0;
	machine->has_iommu = way == 1 || way == 2;
	machine->protection = (enum berth_protection)below(&state, 4);
}

size_t berth_check_machine_text(const struct berth_check_machine *machine, char *text, size_t size)
{
	static const char *const caches[] = { "", ", at the worst moment",
					      ", never by themselves" };
	int n = snprintf(text, size, "lines of %u bytes, caches %s%s%s%s%s%s", machine->line_size,
			 machine->is_coherent ? "coherent" : "not coherent",
			 (unsigned int)machine->cache < 3 ? caches[machine->cache] : "",
			 machine->bounces ? ", bounce buffers" : "",
			 machine->has_iommu ? ", IOMMU " : "",
			 machine->has_iommu ? berth_protection_name(machine->protection) : "",
			 machine->no_fresh_pattern ? ", new memory is zero" : "");

	return n < 0 ? 0 : (size_t)n;
}
