# SPDX-License-Identifier: MIT
# Asynchronous I/O goes on in rings that are as far as they were.
. "$here/victim"
