#!/bin/sh
# Writes the manual page of xmmu, or of one of its commands, from what its
# --help says.
# Usage: man_page.sh <help2man> <xmmu> <page> [<command> [<command within it>]]
set -e
help2man=$1 xmmu=$2 page=$3 group=${5:+$4} name=${5:-${4-}}
command=${group:+$group }$name
# help2man runs one program, which has no arguments of its own.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
program=$work/xmmu${group:+-$group}${name:+-$name}
version=$("$xmmu" --version | cut -d' ' -f2)
cat >"$program" <<EOF
#!/bin/sh
[ "\$1" != --version ] || exec echo "${program##*/} $version"
exec "$xmmu" $command "\$@"
EOF
chmod +x "$program"
# The name line is the help of the command in xmmu --help, or xmmu GROUP --help.
about="simulate the MMU of x86 processors and Xen's ways to virtualize it"
[ -z "$name" ] || about=$("$xmmu" $group --help | sed -n "s/^  $name  *//p")
"$help2man" --no-info --section=1 --name="$about" --output="$page" "$program"
