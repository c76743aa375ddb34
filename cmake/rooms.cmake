# SPDX-License-Identifier: MIT
# A room: one folder, one library, one folder of tests.

add_library(img_build INTERFACE)
target_include_directories(img_build INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(img_build INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
  -Woverloaded-virtual -Wimplicit-fallthrough -Werror)
if(STASIS_SANITIZE)
  # g++ 12 takes FlatBuffers' LookupByKey for an overread once it is instrumented.
  target_compile_options(img_build INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overread>)
  target_compile_options(img_build INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  # With sanitizers g++ 12 warns of reads past FlatBuffers tables and of an Error that is not there.
  target_compile_options(img_build INTERFACE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overread> $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(img_build INTERFACE -fsanitize=address,undefined)
  # Its other false warnings end no build: the release build is the one that is to have none.
  target_compile_options(img_build INTERFACE -Wno-error)
  target_compile_definitions(img_build INTERFACE STASIS_SANITIZE=1)
endif()
if(STASIS_LIBFUZZER)
  target_compile_options(img_build INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Headers that most files have, read once for each kind of file. Not where a compiler cache is in
# use, which does the same better, and which shows files that forgot an include.
option(STASIS_PCH "Precompile common headers, unless a compiler launcher (ccache) is set" ON)
if(CMAKE_CXX_COMPILER_LAUNCHER)
  set(STASIS_PCH OFF)
endif()
if(STASIS_PCH)
  # With them g++ 12 sees overruns in the standard library's strings that it does not see without;
  # -Winvalid-pch stays an error, or a header could be read each time after all.
  target_compile_options(img_build INTERFACE -Wno-error -Werror=invalid-pch)
endif()
function(img_pch name)  # img_pch(<name> HEADERS ... [LIBRARIES ...] [OPTIONS ...])
  cmake_parse_arguments(PARSE_ARGV 1 pch "" "" "HEADERS;LIBRARIES;OPTIONS")
  if(STASIS_PCH)
    add_library(${name} OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch.cpp)
    target_link_libraries(${name} PRIVATE img_build ${pch_LIBRARIES})
    target_compile_options(${name} PRIVATE ${pch_OPTIONS})
    target_precompile_headers(${name} PRIVATE <algorithm> <array> <cstdint> <cstring> <filesystem>
      <functional> <map> <memory> <optional> <set> <span> <string> <string_view> <utility>
      <variant> <vector> <flatbuffers/flatbuffers.h> ${pch_HEADERS})
  endif()
endfunction()
function(img_use_pch target name)
  if(STASIS_PCH)
    target_precompile_headers(${target} REUSE_FROM ${name})
  endif()
endfunction()

# img_room(<target> <room or package>...): a static library of every .cpp in this folder.
function(img_room target)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_library(${target} STATIC ${sources})
  target_link_libraries(${target} PUBLIC img_build ${ARGN})
  img_use_pch(${target} img_pch)
endfunction()

# img_tests(<room> <libraries>...): one test program of every *_test.cpp in tests/<folder>.
function(img_tests folder)
  string(REPLACE "/" "_" name ${folder})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(${name}_test ${sources})
  target_link_libraries(${name}_test PRIVATE ${ARGN} GTest::gtest GTest::gmock GTest::gtest_main)
  # What is tested is optimized; the tests are not: the compiler would take three times as long.
  target_compile_options(${name}_test PRIVATE -O0)
  img_use_pch(${name}_test img_test_pch)
  target_compile_definitions(${name}_test PRIVATE
    STASIS_SOURCE="${PROJECT_SOURCE_DIR}" STASIS_FIXTURES="${PROJECT_SOURCE_DIR}/fixtures"
    STASIS_BIN="${CMAKE_BINARY_DIR}/bin")
  set_target_properties(${name}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  gtest_discover_tests(${name}_test TEST_PREFIX ${folder}. DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 120)
endfunction()
