# SPDX-License-Identifier: MIT
# Memory of many kinds is what it was, page for page.
. "$here/victim"
