# SPDX-License-Identifier: MIT
# A process without a vdso has none afterwards either.
. "$here/victim"
