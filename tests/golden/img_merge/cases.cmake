# SPDX-License-Identifier: MIT
check_output(one "all.store fixtures/dumps/zoo --as zoo" 0)
check_output(chain "--into all.store fixtures/dumps/chain-edited --as c" 0)
check_output(no_source "all.store" 2)
check_output(missing "all.store nothing" 2)
check_output(not_a_store "--flatten fixtures/dumps/zoo -i x" 2)
check_output(criu_option "-D x --auto-dedup" 2)
