#!/bin/sh
# An image as text that starts as PTX does and holds the shared object in comments.
#
#   wrap-as-ptx.sh image.so image.ptx architecture
set -eu
{
  printf '.version 9.0\n.target sm_%s\n.address_size 64\n' "${3#*_}"
  od -An -v -tx1 -w32 "$1" | tr -d ' ' | sed 's:^:// :'
} >"$2"
