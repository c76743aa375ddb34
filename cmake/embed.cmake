# SPDX-License-Identifier: MIT
# cmake -DINPUT=file -DOUTPUT=file.cpp -P embed.cmake: the bytes of INPUT as a C++ array.
file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUTPUT}
  "#include \"schema/binary_schema.h\"\n"
  "namespace img::schema {\n"
  "alignas(16) static const unsigned char bytes[] = {${bytes}};\n"
  "std::span<const unsigned char> binary_schema() { return bytes; }\n"
  "}\n")
