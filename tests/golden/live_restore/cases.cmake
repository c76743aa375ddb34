# SPDX-License-Identifier: MIT
check_output(help "--help" 0)
check_output(no_source "" 2)
check_output(two_sources "web.store -D dump" 2)
check_output(missing "missing" 125)
check_output(missing_detached "missing --detach" 2)
check_output(bad_inherit "-D fixtures/dumps/single --inherit-fd web" 2)
check_output(criu_option "-D fixtures/dumps/single --tcp-close" 2)
