// SPDX-License-Identifier: MIT
// Compiled only for its precompiled headers (img_pch in rooms.cmake).
