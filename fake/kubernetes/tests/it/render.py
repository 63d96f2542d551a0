"""Helm, as a library: reads {"chart": FOLDER, "sets": {NAME: VALUES}}, prints what `helm lint` finds, the chart's
definitions, and of each set of values the objects that it renders, as text and as Kubernetes reads them, or the error.

YAML is read by PyYAML, whose YAML 1.1 is kubectl's too: an unquoted `on` is true there.
"""

import json
import sys

import helm_python
import yaml

asked = json.load(sys.stdin)
out = {"lint": helm_python.lint(asked["chart"], strict=True), "sets": {}}
with helm_python.Chart.load(asked["chart"]) as chart:
    out["definitions"] = [one for file in chart.crds for one in yaml.safe_load_all(file["data"]) if one]
    for name, values in asked["sets"].items():
        try:
            chart.validate_schema(values)
            files = chart.render(values, name="ensue", namespace="ensue")
        except helm_python.HelmError as why:
            out["sets"][name] = {"error": str(why)}
            continue
        notes = files.pop("ensue/templates/NOTES.txt")
        texts = [text.strip("\n-") for _, text in sorted(files.items()) if text.strip()]
        objects = [one for text in texts for one in yaml.safe_load_all(text) if one]
        out["sets"][name] = {"text": "\n---\n".join(texts) + "\n", "objects": objects, "notes": notes}
json.dump(out, sys.stdout)
