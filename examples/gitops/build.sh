#!/bin/sh
# Builds one commit: `build.sh COMMIT IMAGE`. What it prints last is JSON: the step's output.
# SOURCE_REPOSITORY and REGISTRY say where the code comes from and where the image goes; ENSUE is the ensue program,
# whose `tool push-image` pushes a folder as an image without Docker.
set -eu
commit=$1
image=$2
git clone --quiet "$SOURCE_REPOSITORY" source >&2
git -C source checkout --quiet "$commit" >&2
(cd source && sh ./test.sh) >&2
exec "$ENSUE" tool push-image --registry "$REGISTRY" --repository "$image" --tag "$(printf %.12s "$commit")" source
