#!/bin/sh
# Writes the manual page of xmmu, or of one of its commands, from what its
# --help says.
# Usage: man_page.sh <help2man> <xmmu> <page> [<command>]
set -e
help2man=$1 xmmu=$2 page=$3 command=${4-}
# help2man runs one program, which has no arguments of its own.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
program=$work/xmmu${command:+-$command}
version=$("$xmmu" --version | cut -d' ' -f2)
cat >"$program" <<EOF
#!/bin/sh
[ "\$1" != --version ] || exec echo "${program##*/} $version"
exec "$xmmu" $command "\$@"
EOF
chmod +x "$program"
# The name line is the help of the command in xmmu --help.
about="simulate the MMU of x86 processors and Xen's ways to virtualize it"
[ -z "$command" ] || about=$("$xmmu" --help | sed -n "s/^  $command  *//p")
"$help2man" --no-info --section=1 --name="$about" --output="$page" "$program"
