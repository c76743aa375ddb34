# SPDX-License-Identifier: MIT
# Live tools are linked statically where that works: finding and binding twenty shared libraries
# takes longer than restoring a small process.
set(STASIS_LINKS_STATICALLY OFF)
if(STASIS_STATIC AND NOT STASIS_SANITIZE)
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_LINK_OPTIONS -static-pie)
  check_cxx_source_compiles("#include <iostream>
  int main() { std::cout << 1; }" STASIS_HAS_STATIC_LIBC)
  unset(CMAKE_REQUIRED_LINK_OPTIONS)
  set(STASIS_LINKS_STATICALLY ${STASIS_HAS_STATIC_LIBC})
  foreach(library lmdb flatbuffers archive zstd z xxhash nettle)
    find_library(STASIS_ARCHIVE_${library} lib${library}.a)
    if(NOT STASIS_ARCHIVE_${library})
      set(STASIS_LINKS_STATICALLY OFF)
    endif()
  endforeach()
endif()

if(STASIS_LINKS_STATICALLY)
  list(PREPEND CMAKE_FIND_LIBRARY_SUFFIXES .a)
  add_library(img_fmt STATIC cmake/fmt_archive.cpp)
  target_compile_definitions(img_fmt PUBLIC FMT_SHARED)  # as its shared library has it
else()
  find_package(fmt REQUIRED)
  add_library(img_fmt INTERFACE)
  target_link_libraries(img_fmt INTERFACE fmt::fmt)
endif()

# img_link_statically(<program>): what it uses of libarchive needs none of that one's libraries.
function(img_link_statically program)
  if(STASIS_LINKS_STATICALLY)
    target_link_options(${program} PRIVATE -static-pie)
    set_target_properties(${program} PROPERTIES STASIS_IS_STATIC ON)
  endif()
endfunction()
