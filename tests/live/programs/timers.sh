# SPDX-License-Identifier: MIT
# Periodic timers that have run out when they are dumped run out again.
. "$here/victim"
