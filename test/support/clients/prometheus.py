# Reads metrics from stdin with prometheus_client, Prometheus' own parser of both formats, and writes what it read as
# JSON. Ends with 3 and the parser's own words where it refuses the text; any other failure is one of the machine.
import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

parse = {"openmetrics": openmetrics, "prometheus": prometheus}[sys.argv[1]]
text = sys.stdin.buffer.read().decode("utf-8")
try:
    families = list(parse(text))
except ValueError as refusal:
    sys.stderr.write(str(refusal))
    sys.exit(3)
json.dump(
    [
        {
            "name": family.name,
            "type": family.type,
            "help": family.documentation,
            "unit": family.unit,
            "samples": [
                {
                    "name": sample.name,
                    "labels": sample.labels,
                    "value": sample.value,
                    "timestamp": None if sample.timestamp is None else float(sample.timestamp),
                    "exemplar": None if sample.exemplar is None else sample.exemplar.value,
                }
                for sample in family.samples
            ],
        }
        for family in families
    ],
    sys.stdout,
    allow_nan=False,
)
