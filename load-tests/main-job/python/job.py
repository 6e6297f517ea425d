"""Runs the steps of one client: reads a job as JSON from standard input, prints the results.

A job is {"endpoint", "accessKey", "secretKey", "region", "bucket", "steps": [{"do": name, ...}]}.
Each step calls the client's function of that name with the step's other fields.
"""

import hashlib
import json
import sys

SLICE_BYTES = 1024 * 1024


def run(connect):
    job = json.load(sys.stdin)
    operations = connect(job)
    results = []
    for step in job["steps"]:
        name = step.pop("do")
        results.append(operations[name](**step))
    json.dump(results, sys.stdout)


def digest(slices):
    """Size and SHA-256 of what an iterable of byte strings yields."""
    sha256 = hashlib.sha256()
    size = 0
    for data in slices:
        sha256.update(data)
        size += len(data)
    return {"sizeBytes": size, "sha256": sha256.hexdigest()}


def slices_of(file):
    """The content of an open file, a slice at a time."""
    while data := file.read(SLICE_BYTES):
        yield data
