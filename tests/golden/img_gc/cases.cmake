# SPDX-License-Identifier: MIT
check_output(help "--help" 0)
check_output(needed "fixtures/dumps/chain-snapshots --delete 2" 1)
check_output(no_store "missing" 2)
check_output(one_image "fixtures/dumps/zoo" 2)
check_output(keep_none "fixtures/dumps --keep-last 0" 2)
