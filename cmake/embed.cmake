# Turns text files into one C file that defines an array of strings, ended by NULL:
#   cmake -DOUT=out.c -DHEADER=lab/anchors.h -DNAME=lab_anchor_texts "-DFILES=a.json,b.json" -P embed.cmake
string(REPLACE "," ";" files "${FILES}")
set(text "/* Made by cmake/embed.cmake. */\n#include \"${HEADER}\"\n\nconst char *const ${NAME}[] = {\n")
foreach(file IN LISTS files)
    file(READ "${file}" content)
    string(REPLACE "\\" "\\\\" content "${content}")
    string(REPLACE "\"" "\\\"" content "${content}")
    string(REPLACE "\n" "\\n\"\n    \"" content "${content}")
    string(APPEND text "    \"${content}\",\n")
endforeach()
file(WRITE "${OUT}" "${text}    NULL,\n};\n")
