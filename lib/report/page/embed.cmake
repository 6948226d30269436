# Writes a C++ file that has files in it, each with its SHA-256.
#
#   cmake -DOUTPUT=FILE -DNAMES="A;B" -DFILES="a.js;b.css" -P embed.cmake
#
# Defines kEmbeddedA, kEmbeddedB and so on, see embedded.h. A file of the name ""
# is embedded as an empty one: it is not there.
set(text "// Made by embed.cmake.\n\n#include \"report/page/embedded.h\"\n\n")
string(APPEND text "namespace xmmu {\nnamespace {\n\n")
set(definitions "")
foreach(name file IN ZIP_LISTS NAMES FILES)
  if(file STREQUAL "none")
    string(APPEND definitions "const EmbeddedFile kEmbedded${name} = {};\n")
    continue()
  endif()
  file(READ "${file}" bytes HEX)
  file(SHA256 "${file}" hash)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(APPEND text "constexpr unsigned char k${name}Bytes[] = {${bytes}};\n")
  string(APPEND definitions "const EmbeddedFile kEmbedded${name} = {\n"
    "    k${name}Bytes, sizeof(k${name}Bytes), \"${hash}\"};\n")
endforeach()
string(APPEND text "\n}  // namespace\n\n${definitions}\n}  // namespace xmmu\n")
file(WRITE "${OUTPUT}" "${text}")
