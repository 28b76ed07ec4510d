#!/usr/bin/env bash
# Checks the files that deploy the service. Needs helm, and the programs of ops/requirements.txt (PyPI).
set -euo pipefail
cd "$(dirname "$0")/.."

hadolint Dockerfile
check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
envoy --mode validate --log-level error -c ops/envoy/envoy.yaml

chart=(ops/helm/user-service -f ops/helm/values.example.yaml)
helm lint --strict --quiet "${chart[@]}"
# the oldest and the newest version of Kubernetes that the chart is for
for version in 1.25 1.37; do
  helm template user-service "${chart[@]}" --kube-version "$version" --set nodes.events.consumerLag=10000 |
    kubernetes-validate --strict --quiet --kubernetes-version "$version" -
done
