# SPDX-License-Identifier: MIT
# Runs PROGRAM with ARGUMENTS in a new folder that has `fixtures` in it, and compares all three:
# standard output with NAME.out, standard error with NAME.err (none: empty), exit code with EXIT.
# With STASIS_GOLDEN_UPDATE in the environment it writes them instead.
file(REMOVE_RECURSE ${SCRATCH})
file(MAKE_DIRECTORY ${SCRATCH})
file(CREATE_LINK ${FIXTURES} ${SCRATCH}/fixtures SYMBOLIC)
separate_arguments(arguments UNIX_COMMAND "${ARGUMENTS}")
execute_process(
  COMMAND ${PROGRAM} ${arguments}
  WORKING_DIRECTORY ${SCRATCH}
  OUTPUT_VARIABLE out ERROR_VARIABLE err RESULT_VARIABLE exit)

function(compare what actual expected_file)
  if(DEFINED ENV{STASIS_GOLDEN_UPDATE})
    if(actual STREQUAL "")
      file(REMOVE ${expected_file})
    else()
      file(WRITE ${expected_file} "${actual}")
    endif()
    return()
  endif()
  set(expected "")
  if(EXISTS ${expected_file})
    file(READ ${expected_file} expected)
  endif()
  if(NOT actual STREQUAL expected)
    message(SEND_ERROR "${what}:\n${actual}\nexpected:\n${expected}")
  endif()
endfunction()

if(NOT exit STREQUAL EXIT)
  message(SEND_ERROR "exit code ${exit}, expected ${EXIT}\n${out}${err}")
endif()
compare("standard output" "${out}" ${EXPECTED}.out)
compare("standard error" "${err}" ${EXPECTED}.err)
file(REMOVE_RECURSE ${SCRATCH})
