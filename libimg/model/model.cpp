// SPDX-License-Identifier: MIT
#include "libimg/model/record.h"
