# SPDX-License-Identifier: MIT
check_output(same "fixtures/dumps/zoo fixtures/dumps/zoo" 0)
check_output(chain "fixtures/dumps/chain-snapshots/2 fixtures/dumps/chain-snapshots/3 --pages" 1)
check_output(processes "fixtures/dumps/tree fixtures/dumps/shell-job" 1)
check_output(no_source "fixtures/dumps/zoo nothing" 2)
check_output(one_source "fixtures/dumps/zoo" 2)
