"""Jobs by AIStore's own Python client, unmodified; prints what came of each step as JSON."""

import json
import sys

from aistore import Client
from aistore.sdk.errors import AISError


def wait(client, job_ids):
    """Each job's result, as the client's own waiting finds it."""
    ids = job_ids if isinstance(job_ids, list) else [job_ids]
    return [client.job(job_id=one).wait(timeout=60).success for one in ids]


def names(bucket):
    return sorted(entry.name for entry in bucket.list_all_objects())


def refusal(call):
    try:
        call()
    except AISError as error:
        return error.status_code
    return None


def main():
    endpoint = json.load(sys.stdin)["endpoint"]
    client = Client(endpoint)
    source = client.bucket("jobs-source").create(exist_ok=True)
    target = client.bucket("jobs-target")
    for number in range(5):
        source.object(f"k-{number}").get_writer().put_content(b"x" * 100)
    answers = {}

    copied = source.copy(target, prefix_filter="k-", prepend="c/")
    answers["copy-bucket"] = [wait(client, copied), names(target)]
    answers["details"] = [
        [snapshot.kind, snapshot.stats.objects, snapshot.is_idle]
        for snapshots in client.job(job_id=copied).get_details().root.values()
        for snapshot in snapshots
    ]
    deleted = source.objects(obj_names=["k-0", "k-1"]).delete()
    answers["delete"] = [wait(client, deleted), names(source)]
    group = source.objects(obj_template="k-{2..3}")
    answers["copy-objects"] = [wait(client, group.copy(target, prepend="g/")), names(target)]
    answers["archive"] = [wait(client, group.archive("a.tar", to_bck=target)), names(target)]
    renamed = source.rename("jobs-renamed")
    answers["rename"] = [
        wait(client, renamed),
        sorted(bucket.name for bucket in client.cluster().list_buckets()),
    ]
    answers["status-all"] = len(client.cluster().list_jobs_status())
    answers["running"] = client.cluster().list_running_jobs()
    answers["absent"] = refusal(lambda: client.job(job_id="abcdefghij").status())
    answers["unbuilt"] = refusal(lambda: client.job(job_kind="rebalance").start())
    client.job(job_id=copied).abort()
    json.dump(answers, sys.stdout)


main()
