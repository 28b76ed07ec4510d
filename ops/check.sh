#!/usr/bin/env bash
# Checks the files that deploy the service. Needs helm and kubeconform (Go), and the programs of ops/requirements.txt (PyPI).
set -euo pipefail
cd "$(dirname "$0")/.."

hadolint Dockerfile
check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
envoy --mode validate --log-level error -c ops/envoy/envoy.yaml

chart=(ops/helm/user-service -f ops/helm/values.example.yaml)
helm lint --strict --quiet "${chart[@]}"

if ! command -v kubeconform >/dev/null; then
  echo "Left out: the objects of the chart against Kubernetes' schemas, because kubeconform is not installed" >&2
  exit
fi
# kubeconform fetches the schemas from the internet. A Python package has them as well: there they are found by addresses,
# here by the names of files in a folder.
schemas=$(mktemp -d)
trap 'rm -rf "$schemas"' EXIT
python=$(dirname "$(command -v kubernetes-validate)")/python3
package=$("$python" -c 'import kubernetes_validate; print(*kubernetes_validate.__path__)')
# the oldest and the newest version of Kubernetes that the chart is for
for version in 1.25 1.37; do
  cp -r "$package/kubernetes-json-schema/v$version.0-local-strict" "$schemas/$version"
  sed -i -e 's#"$id": "[^"]*"#"$comment": ""#' -e 's#"/api/_definitions#"_definitions#g' "$schemas/$version"/*.json
  helm template user-service "${chart[@]}" --kube-version "$version" --set nodes.events.consumerLag=10000 |
    kubeconform -strict -summary -schema-location "$schemas/$version/{{.ResourceKind}}{{.KindSuffix}}.json"
done
