# Turns the comments of a public header into those that Doxygen reads: the first
# block becomes the file's, a block the next declaration's, a comment at the end
# of a line, and what is written on under it, its declaration's. Lines that are
# set in by three blanks or more are pictures and stay as they are, those of
# lists excepted.

function escaped(text) {
  gsub(/\\/, "\\\\\\\\", text)
  gsub(/@/, "\\@", text)
  gsub(/#/, "\\#", text)
  gsub(/</, "\\&lt;", text)
  gsub(/>/, "\\&gt;", text)
  return text
}

function end_picture() {
  if (picture) print before "/// @endverbatim"
  picture = 0
}

# A comment that has a line to itself.
/^ *\/\/( |$)/ {
  column = index($0, "//")
  before = substr($0, 1, column - 1)
  text = substr($0, column + 2)
  if (column == trailing) {
    print before "///<" escaped(text)
    next
  }
  if (!in_block && !in_file++) print "/// @file"
  in_block = 1
  trailing = 0
  if (text ~ /^   +[*0-9]/) {
    list = 1
  } else if (text !~ /^   / && text != "") {
    list = 0
  }
  if (text ~ /^   / && !list) {
    if (!picture) print before "/// @verbatim"
    picture = 1
    print before "///" text
  } else if (picture && text == "") {
    print before "///"
  } else {
    end_picture()
    # A paragraph of its own.
    if (text ~ /^ (Errors|REQUIRES|Source):/) print before "///"
    print before "///" escaped(text)
  }
  next
}

{
  end_picture()
  in_block = list = trailing = 0
}

# A comment after a declaration.
/^ *[^ }#].*[^ ] +\/\/ / && !/\/\/ NOLINT/ {
  trailing = index($0, "// ")
  print substr($0, 1, trailing - 1) "///<" escaped(substr($0, trailing + 2))
  next
}

{ print }
