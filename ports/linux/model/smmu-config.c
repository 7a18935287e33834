// SPDX-License-Identifier: BSD-2-Clause
/* What a stream's tables say: stream table entries, context descriptors, and the cache of both. */
#include "model/smmu.h"

#define STRTAB_LOG2(cfg) ((cfg)&0x3f)
#define STRTAB_SPLIT(cfg) ((cfg) >> 6 & 0x1f)
#define STRTAB_FORMAT(cfg) ((cfg) >> 16 & 3)
#define STRTAB_TWO_LEVEL 1u
#define TABLE_ADDRESS 0x000fffffffffffc0ull

#define SPAN(descriptor) ((descriptor)&0x1f)

#define STE_VALID 0x1u
#define STE_CONFIG(ste) ((ste)[0] >> 1 & 7)
#define STE_CD_MAX(ste) ((ste)[0] >> 59)
#define STE_STALL_OFF (1ull << 27)
#define STE_WORLD(ste) ((ste)[1] >> 30 & 3)
#define STE_PRIVILEGE(ste) ((ste)[1] >> 48 & 3)
#define STE_PRIVILEGED 3u

enum ste_config { STE_BYPASS = 4, STE_STAGE_1 = 5 };

#define CD_ENDIAN (1ull << 15)
#define CD_VALID (1ull << 31)
#define CD_OUTPUT(cd) ((cd)[0] >> 32 & 7)
#define CD_NO_ACCESS_FAULTS (1ull << 35)
#define CD_PAN (1ull << 40)
#define CD_AARCH64 (1ull << 41)
#define CD_HARDWARE_UPDATES (3ull << 42)
#define CD_STALL (1ull << 44)
#define CD_RECORD (1ull << 45)
#define CD_ABORT (1ull << 46)
#define CD_ASID(cd) ((uint16_t)((cd)[0] >> 48))
#define CD_TABLE 0x000ffffffffffff0ull

static int bad(struct smmu_fault *fault, enum smmu_event type)
{
	fault->type = type;
	return -1;
}

static int fetch(struct model_device *dev, uint64_t address, uint64_t *words, size_t size,
		 struct smmu_fault *fault, enum smmu_event type)
{
	if (!dma_read_physical(dev, address, words, size))
		return 0;
	fault->fetch = address;
	return bad(fault, type);
}

/* The L1 descriptor of a stream; one without a table is never kept. */
static int get_span(struct model_device *dev, uint64_t table, uint32_t index, uint64_t *descriptor,
		    struct smmu_fault *fault)
{
	struct smmu *smmu = dev->state;
	struct smmu_span *span = &smmu->spans[index % SMMU_SPANS];

	if (!span->is_valid || span->index != index) {
		smmu->stats.config_reads++;
		if (fetch(dev, table + 8ull * index, descriptor, 8, fault, SMMU_F_STE_FETCH))
			return -1;
		if (!SPAN(*descriptor))
			return 0;
		*span = (struct smmu_span){ true, index, *descriptor };
	}
	*descriptor = span->descriptor;
	return 0;
}

static int find_ste(struct model_device *dev, struct smmu_fault *fault, uint64_t *address)
{
	const struct smmu *smmu = dev->state;
	uint32_t log2 = STRTAB_LOG2(smmu->strtab_cfg), split = STRTAB_SPLIT(smmu->strtab_cfg);
	uint64_t table = smmu->strtab_base & TABLE_ADDRESS, descriptor;
	uint32_t sid = fault->sid, span;

	log2 = log2 < SMMU_SID_BITS ? log2 : SMMU_SID_BITS;
	if (sid >> log2)
		return bad(fault, SMMU_C_BAD_STREAMID);
	if (STRTAB_FORMAT(smmu->strtab_cfg) != STRTAB_TWO_LEVEL ||
	    !(smmu->idr0 & SMMU_IDR0_TWO_LEVEL)) {
		*address = (table & ~((64ull << log2) - 1)) + 64ull * sid;
		return 0;
	}
	/* Reserved values are as 6. */
	split = split == 8 || split == 10 ? split : 6;
	table &= ~((8ull << (log2 > split ? log2 - split : 0)) - 1);
	if (get_span(dev, table, sid >> split, &descriptor, fault))
		return -1;
	span = SPAN(descriptor);
	if (!span || (sid & ((1u << split) - 1)) >> (span - 1))
		return bad(fault, SMMU_C_BAD_STREAMID);
	table = descriptor & TABLE_ADDRESS & ~((64ull << (span - 1)) - 1);
	*address = table + 64ull * (sid & ((1u << split) - 1));
	return 0;
}

static int decode_ste(const uint64_t ste[8], struct smmu_config *config, struct smmu_fault *fault)
{
	if (!(ste[0] & STE_VALID))
		return bad(fault, SMMU_C_BAD_STE);
	config->mode = SMMU_ABORT;
	if (!(STE_CONFIG(ste) & STE_BYPASS))
		return 0;
	config->mode = SMMU_BYPASS;
	if (STE_CONFIG(ste) == STE_BYPASS)
		return 0;
	if (STE_CONFIG(ste) != STE_STAGE_1 || STE_CD_MAX(ste) || ste[1] & STE_STALL_OFF ||
	    STE_WORLD(ste))
		return bad(fault, SMMU_C_BAD_STE);
	config->mode = SMMU_STAGE_1;
	config->cd = ste[0] & TABLE_ADDRESS;
	config->is_privileged = STE_PRIVILEGE(ste) == STE_PRIVILEGED;
	return 0;
}

/* The two halves number their granules differently. 0: a reserved value. */
static uint8_t granule_shift(unsigned int half, unsigned int value)
{
	static const uint8_t shifts[2][4] = { { 12, 16, 14, 0 }, { 0, 14, 12, 16 } };

	return shifts[half][value];
}

static int decode_half(const uint64_t cd[8], unsigned int index, struct smmu_context *context)
{
	struct smmu_half *half = &context->half[index];
	uint32_t bits = (uint32_t)(cd[0] >> 16 * index);
	unsigned int size = bits & 0x3f;

	half->is_disabled = bits >> 14 & 1;
	half->ignores_top_byte = cd[0] >> (38 + index) & 1;
	if (half->is_disabled)
		return 0;
	half->granule_shift = granule_shift(index, bits >> 6 & 3);
	half->input_bits = (uint8_t)(64 - size);
	half->table = cd[1 + index] & CD_TABLE;
	half->ignores_table_attributes = cd[1 + index] >> 1 & 1;
	return size < 16 || size > 39 || !half->granule_shift || half->table >> context->output_bits
		       ? -1
		       : 0;
}

static int decode_cd(const uint64_t cd[8], struct smmu_context *context, struct smmu_fault *fault)
{
	static const uint8_t sizes[8] = { 32, 36, 40, 42, 44, 48, 52, 52 };
	uint8_t bits = sizes[CD_OUTPUT(cd)];

	*context = (struct smmu_context){
		.asid = CD_ASID(cd),
		.output_bits = bits < SMMU_OUTPUT_BITS ? bits : SMMU_OUTPUT_BITS,
		.has_no_access_faults = cd[0] & CD_NO_ACCESS_FAULTS,
		.records_faults = cd[0] & CD_RECORD,
		.is_privileged_kept_out = cd[0] & CD_PAN,
	};
	if (!(cd[0] & CD_VALID) || !(cd[0] & CD_AARCH64) || !(cd[0] & CD_ABORT) ||
	    cd[0] & (CD_STALL | CD_HARDWARE_UPDATES | CD_ENDIAN) || decode_half(cd, 0, context) ||
	    decode_half(cd, 1, context))
		return bad(fault, SMMU_C_BAD_CD);
	return 0;
}

/* The stream's entry, or one that it may have. */
static struct smmu_config *choose(struct smmu *smmu, uint32_t sid)
{
	struct smmu_config *unused = NULL;

	for (unsigned int i = 0; i < SMMU_CONFIGS; i++) {
		struct smmu_config *config = &smmu->configs[i];

		if (config->is_valid && config->sid == sid)
			return config;
		if (!config->is_valid)
			unused = config;
	}
	if (!unused) {
		unused = &smmu->configs[model_random(SMMU_CONFIGS)];
		unused->is_valid = false;
	}
	return unused;
}

/* What is wrong is not kept: it is read again at the next access. */
const struct smmu_config *smmu_configure(struct model_device *dev, struct smmu_fault *fault)
{
	struct smmu *smmu = dev->state;
	struct smmu_config *config = choose(smmu, fault->sid);
	uint64_t words[8], address;

	smmu->stats.config_lookups++;
	if (!config->is_valid) {
		*config = (struct smmu_config){ .sid = fault->sid };
		if (find_ste(dev, fault, &address))
			return NULL;
		smmu->stats.config_reads++;
		if (fetch(dev, address, words, sizeof(words), fault, SMMU_F_STE_FETCH) ||
		    decode_ste(words, config, fault))
			return NULL;
		config->is_valid = true;
	}
	if (config->mode == SMMU_STAGE_1 && !config->has_context) {
		smmu->stats.config_reads++;
		if (fetch(dev, config->cd, words, sizeof(words), fault, SMMU_F_CD_FETCH) ||
		    decode_cd(words, &config->context, fault))
			return NULL;
		config->has_context = true;
	}
	return config;
}

void smmu_forget_configs(struct smmu *smmu, uint32_t first, uint32_t last, bool only_leaf)
{
	uint32_t split = STRTAB_SPLIT(smmu->strtab_cfg);

	split = split == 8 || split == 10 ? split : 6;
	for (unsigned int i = 0; i < SMMU_CONFIGS; i++)
		if (smmu->configs[i].sid >= first && smmu->configs[i].sid <= last)
			smmu->configs[i].is_valid = false;
	for (unsigned int i = 0; !only_leaf && i < SMMU_SPANS; i++)
		if (smmu->spans[i].index >= first >> split && smmu->spans[i].index <= last >> split)
			smmu->spans[i].is_valid = false;
}

void smmu_forget_contexts(struct smmu *smmu, uint32_t sid)
{
	for (unsigned int i = 0; i < SMMU_CONFIGS; i++)
		if (smmu->configs[i].sid == sid)
			smmu->configs[i].has_context = false;
}
