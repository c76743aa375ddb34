# SPDX-License-Identifier: MIT
check_output(good "fixtures/dumps/zoo" 0)
check_output(good_json "fixtures/dumps/single --json" 0)
check_output(archive "fixtures/archives/podman.tar.zst" 0)
check_output(explain "--explain PST-1" 0)
check_output(no_source "missing" 2)
check_output(no_rule "--explain XYZ-1" 2)
