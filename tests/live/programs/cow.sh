# SPDX-License-Identifier: MIT
# Pages that parents and children still share are shared again.
. "$here/victim"
