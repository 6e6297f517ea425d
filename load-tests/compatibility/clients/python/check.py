"""Checks of one client library each: a name, what it does, and an assertion that can fail."""

import hashlib
import json
import os
import sys
import traceback

ENDPOINT = os.environ["S3_ENDPOINT"]
ACCESS_KEY = os.environ["AWS_ACCESS_KEY_ID"]
SECRET_KEY = os.environ["AWS_SECRET_ACCESS_KEY"]
BUCKET = os.environ["S3_BUCKET"]
REGION = "us-east-1"
MIB = 1024 * 1024

CHECKS = []


def check(client, what):
    """Names a function as one check of a client."""

    def register(function):
        CHECKS.append((client, what, function))
        return function

    return register


def blob(size_bytes, seed=0):
    """Bytes that look random and are the same each time."""
    block = b"".join(hashlib.sha256(f"{seed}/{at}".encode()).digest() for at in range(2048))
    return (block * (size_bytes // len(block) + 1))[:size_bytes]


def equal(found, wanted):
    if found != wanted:
        raise AssertionError(f"{str(found)[:200]} is not {str(wanted)[:200]}")


def run():
    """Runs the checks of one client and prints a line of JSON for each."""
    for client, what, function in CHECKS:
        if client != os.environ["S3_CLIENT"]:
            continue
        said = ""
        try:
            function()
        except Exception:
            said = " ".join(traceback.format_exc(limit=-2).split())[-400:]
        print(json.dumps({"client": client, "what": what, "said": said}), flush=True)
    sys.exit(0)
