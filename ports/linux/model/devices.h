/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MODEL_DEVICES_H
#define MODEL_DEVICES_H

#include "model.h"

/* Bytes that a device moves at once; between two bursts the CPU and other devices get their turn. */
#define MODEL_BURST 4096u

extern const struct model_device_type model_camera;
extern const struct model_device_type model_decoder;
extern const struct model_device_type model_display;
extern const struct model_device_type model_dsp;
extern const struct model_device_type model_fifo;
extern const struct model_device_type model_pdma;
extern const struct model_device_type model_rtl8139;
extern const struct model_device_type model_smmu;

#endif
