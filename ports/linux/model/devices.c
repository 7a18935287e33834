// SPDX-License-Identifier: BSD-2-Clause
/* What the modelled SoC can be made of. */
#include "devices.h"

const struct model_device_type *const model_device_types[] = {
	&model_camera, &model_decoder, &model_display, &model_dsp, &model_fifo,
	&model_pdma,   &model_rtl8139, &model_smmu,    NULL,
};
