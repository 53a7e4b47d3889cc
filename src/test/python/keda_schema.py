"""Checks the ScaledObject for KEDA against the schema that KEDA gives Kubernetes for it. By hand; wants PyYAML and jsonschema.

    go mod download github.com/kedacore/keda/v2@v2.16.1
    python src/test/python/keda_schema.py deploy/kubernetes/scaling.yaml \\
        $(go env GOMODCACHE)/github.com/kedacore/keda/v2@v2.16.1/config/crd/bases/keda.sh_scaledobjects.yaml

A field that the schema does not have, which Kubernetes would drop without a word, is a mistake here.
"""

import sys

import jsonschema
import yaml


def forbid_others(schema):
    if isinstance(schema, dict):
        if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
        for part in list(schema.values()):
            forbid_others(part)
    elif isinstance(schema, list):
        for part in schema:
            forbid_others(part)


def main(manifest: str, definition: str):
    with open(manifest) as file:
        scaled = yaml.safe_load(file)
    with open(definition) as file:
        versions = yaml.safe_load(file)["spec"]["versions"]
    version = scaled["apiVersion"].split("/")[1]
    schema = next(v["schema"]["openAPIV3Schema"] for v in versions if v["name"] == version)
    forbid_others(schema["properties"]["spec"])
    try:
        jsonschema.validate(scaled, schema)
    except jsonschema.ValidationError as error:
        sys.exit(f"{manifest}: {'.'.join(map(str, error.path))}: {error.message}")
    print(f"{manifest} is a {scaled['kind']} of {scaled['apiVersion']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
