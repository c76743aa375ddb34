# SPDX-License-Identifier: MIT
check_output(help "--help" 0)
check_output(no_process "web.store" 2)
check_output(no_store "-t 4711" 2)
check_output(no_number "-t -5 web.store" 2)
check_output(two_ways_to_leave "-t 4711 web.store -R -s" 2)
check_output(bad_name "-t 4711 web.store --as a/b" 2)
check_output(criu_option "-t 4711 web.store --ext-unix-sk" 2)
