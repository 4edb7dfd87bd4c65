#!/usr/bin/env bash
# Puts all that a release publishes into a folder: pack.sh TAG FOLDER, after npm run build.
# FOLDER/npm, FOLDER/python (after npm run build:python), notes.md (the changelog's section), sbom.cdx.json.
set -euo pipefail
cd "$(dirname "$0")/.."
tag=$1 folder=$2

version=$(node -p 'require("./package.json").version')
[ "$tag" = "v$version" ] || { echo "The tag $tag is not the version in package.json, $version: tag v$version." >&2; exit 1; }

mkdir -p "$folder/npm"
awk -v heading="## [$version]" 'index($0, "## ") == 1 { on = index($0, heading) == 1; next } on' CHANGELOG.md \
  | sed '/^\[.*\]: /d' >"$folder/notes.md"
grep -q '[^[:space:]]' "$folder/notes.md" || { echo "CHANGELOG.md has no section ## [$version]: rename Unreleased." >&2; exit 1; }

npm pack --silent --pack-destination "$folder/npm" ./dist
npm sbom --package-lock-only --omit=dev --omit=optional --sbom-format=cyclonedx --sbom-type=application >"$folder/sbom.cdx.json"
if [ -d dist/jsii/out/python ]; then cp -R dist/jsii/out/python "$folder/python"; fi
